// A stand-in for OpenCode 2's server: it loads a package and treats it as the documents
// and the source of OpenCode 2 say that it does. No 2.x program was seen. Each behaviour
// names the section of those facts that it stands on, in parentheses, so that it can be
// corrected when one is.
import { EventEmitter, on } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { Integrations } from './integrations.js'
import { send } from './request.js'
import { Tools } from './tools.js'

/** @typedef {import('../../npm-shim/hosts/v2/contract.js').Context} Context */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').ProviderInfo} ProviderInfo */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').ModelInfo} ModelInfo */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').HostEvent} HostEvent */
/** @typedef {Map<string, { provider: ProviderInfo, models: Map<string, ModelInfo> }>} Providers by ID */

/**
 * A part of the state that plugins shape. (Lifecycle) Transforms are synchronous and are
 * replayed in their order, on a fresh value, at each rebuild; one that throws blocks the
 * whole part: every read throws.
 * @template State, Editor
 */
export class Domain {
  /** @type {((editor: Editor) => void)[]} */
  #transforms = []
  /** @type {{ state?: State, error?: unknown } | undefined} */
  #built

  /** @param {() => State} initial @param {(state: State) => Editor} editor @param {(state: State) => void} [last] what the person's own configuration does */
  constructor(initial, editor, last) {
    this.build = () => {
      const state = initial()
      for (const transform of this.#transforms) transform(editor(state))
      last?.(state)
      return state
    }
  }

  /** @type {import('../../npm-shim/hosts/v2/contract.js').Transformable<Editor>} */
  api = {
    transform: async (callback) => {
      this.#transforms.push(callback)
      this.#built = undefined
    },
    // (Lifecycle) It takes half a second.
    reload: async () => {
      await pause(500)
      this.#built = undefined
      this.read()
    },
  }

  clear() {
    this.#transforms = []
    this.#built = undefined
  }

  /** @returns {State} */
  read() {
    if (!this.#built) {
      try {
        this.#built = { state: this.build() }
      } catch (error) {
        this.#built = { error }
      }
    }
    if ('error' in this.#built) throw this.#built.error
    return /** @type {State} */ (this.#built.state)
  }
}

/** (The token on each request) Hooks are awaited, one after the other in their order. */
export class Hooks {
  /** @type {{ name: string, callback: (event: any) => unknown, providerID?: string }[]} */
  #hooks = []

  /** @param {string} domain */
  api(domain) {
    return {
      /** @type {(name: any, callback: (event: any) => unknown, options?: { providerID: string }) => Promise<void>} */
      hook: async (name, callback, options) => void this.#hooks.push({ name: `${domain}.${name}`, callback, providerID: options?.providerID }),
    }
  }

  /** @template Event @param {string} name @param {Event} event @returns {Promise<Event>} */
  async trigger(name, event) {
    const providerID = /** @type {any} */ (event).model?.providerID
    for (const hook of this.#hooks) {
      // (The token on each request) A hook can be for one provider.
      if (hook.name === name && (hook.providerID === undefined || hook.providerID === providerID)) await hook.callback(event)
    }
    return event
  }
}

/** What is shared by all locations of one server: the credentials, and time. */
export class Server extends EventEmitter {
  /** @type {import('./integrations.js').Stored[]} (Sign-in) each sign-in adds one, and the newest is active */
  credentials = []
  offset = 0
  now = () => Date.now() + this.offset

  /** @param {HostEvent} event */
  publish(event) {
    this.emit('event', event)
  }
}

/** One directory in which somebody works. */
export class Location {
  hooks = new Hooks()
  /** @type {'loading' | 'active' | 'failed'} */
  plugin = 'loading'
  /** @type {unknown} */
  error
  /** @type {Map<string, { definition: any, handlers: Record<string, (input: any) => Promise<any>>, listeners: Set<(name: string, data: object) => void> }>} */
  rpc = new Map()
  #end = new AbortController()
  /** @type {undefined | (() => void | Promise<void>)} */
  #cleanup

  /** @param {Server} server @param {string} directory @param {{ providers?: Record<string, any> }} [config] the person's own */
  constructor(server, directory, config = {}) {
    this.server = server
    this.directory = directory
    this.integrations = new Integrations(server)
    this.tools = new Tools(this)
    this.provider = new Domain(/** @returns {Providers} */ () => new Map(), providerEditor, (state) => applyProviders(state, config.providers ?? {}))
  }

  /** @returns {Context} */
  get context() {
    const { server, hooks, integrations, tools } = this
    return {
      options: {},
      location: { directory: this.directory, project: { canonical: this.directory } },
      event: { subscribe: ({ signal } = {}) => events(server, signal ? AbortSignal.any([signal, this.#end.signal]) : this.#end.signal) },
      integration: { ...integrations.domain.api, connection: integrations.connection },
      permission: hooks.api('permission'),
      provider: this.provider.api,
      rpc: { register: async (definition, handlers) => this.#register(definition, handlers) },
      session: hooks.api('session'),
      shell: hooks.api('shell'),
      tool: { ...tools.domain.api, ...hooks.api('tool') },
    }
  }

  /**
   * (Lifecycle) `setup` is called once a location; what it throws fails this plugin alone.
   * (Package) Only `id` and `setup` are kept of the export, so there is no `this`.
   * @param {string} folder of the package
   * @param {(context: Context) => Context} [changed] for a host of another version
   */
  async load(folder, changed = (context) => context) {
    try {
      const entry = resolveEntry(folder, 'server')
      /** @type {import('../../npm-shim/hosts/v2/contract.js').Plugin} */
      const { id, setup } = (await import(pathToFileURL(entry).href)).default ?? {}
      // (What decides the design) The default export is {id, setup}.
      if (typeof id !== 'string' || typeof setup !== 'function') throw new Error(`Invalid V2 plugin module: ${entry}`)
      this.#cleanup = (await setup(changed(this.context))) ?? undefined
      this.plugin = 'active'
    } catch (error) {
      this.plugin = 'failed'
      this.error = error
    }
  }

  /** (Lifecycle) What was registered ends by itself, beside the plugin's own cleanup, unless the host errs. */
  async unload(errs = false) {
    await this.#cleanup?.()
    this.#end.abort()
    if (errs) return
    this.hooks = new Hooks()
    this.rpc.clear()
    for (const domain of [this.provider, this.integrations.domain, this.tools.domain]) domain.clear()
  }

  /** (Provider and models) What is listed: `enabled` always, `auto` with a connection. */
  providers() {
    const listed = [...this.provider.read().values()].filter(({ provider }) => {
      if (provider.activation === 'auto') return this.integrations.active(provider.integrationID ?? provider.id) !== undefined
      return provider.activation === 'enabled'
    })
    return listed.map(({ provider, models }) => ({ ...provider, models: [...models.values()] }))
  }

  /**
   * One request to a model, with the retries that its kind has.
   * @param {{ providerID: string, model?: string, kind: import('../../npm-shim/hosts/v2/contract.js').RequestKind, text: string, sessionID?: string }} request
   */
  async ask({ providerID, model, kind, text, sessionID = 'ses_1' }) {
    const provider = this.provider.read().get(providerID)
    const chosen = provider?.models.get(model ?? [...provider.models.keys()][0] ?? '')
    if (!provider || !chosen) throw new Error(`ProviderModelNotFound: ${providerID}/${model}`)
    const scope = { sessionID, agent: 'build', model: { providerID, id: chosen.id }, kind }
    const credential = this.integrations.resolved(provider.provider.integrationID ?? providerID)
    return send(this.hooks, scope, provider.provider, chosen, text, credential)
  }

  /** @param {any} definition @param {Record<string, (input: any) => Promise<any>>} handlers */
  #register(definition, handlers) {
    /** @type {Set<(name: string, data: object) => void>} */
    const listeners = new Set()
    this.rpc.set(definition.id, { definition, handlers, listeners })
    return {
      events: {
        emit: async (/** @type {string} */ name, /** @type {object} */ data) => {
          if (!(name in definition.events)) throw new Error(`${definition.id} has no event ${name}`)
          listeners.forEach((listener) => listener(name, structuredClone(data)))
        },
      },
    }
  }
}

/**
 * The file of an entry. (Package) By `exports` in some builds, by the file's name in
 * others; both must lead to the same. There is no falling back from a bad `./server`.
 * @param {string} folder
 * @param {'server' | 'tui'} entry
 */
export function resolveEntry(folder, entry) {
  if (!statSync(folder).isDirectory()) throw new Error(`${folder} is no directory`)
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const target = exports?.[`./${entry}`] ?? (entry === 'server' ? exports?.['.'] : undefined)
  const byExports = typeof target === 'string' && join(folder, target)
  const byName = [entry, ...(entry === 'server' ? ['index'] : [])].map((name) => join(folder, `${name}.js`)).find((file) => existsSync(file))
  if (!byExports || byExports !== byName) throw new Error(`./${entry} is ${byExports} by exports and ${byName} by name`)
  return byName
}

/** @param {Providers} state */
function providerEditor(state) {
  return {
    // (Provider and models) It is cloned: a function inside throws. The models are frozen.
    add: (/** @type {{ info: ProviderInfo, models: ModelInfo[] }} */ { info, models }) => {
      const missing = models.flatMap((model) => MODEL.filter((key) => /** @type {any} */ (model)[key] === undefined))
      if (missing.length) throw new Error(`A model lacks ${missing}`)
      models.forEach(freeze)
      state.set(info.id, { provider: structuredClone(info), models: new Map(models.map((model) => [model.id, model])) })
    },
    get: (/** @type {string} */ id) => state.get(id),
  }
}

// (Provider and models) All are required.
const MODEL = ['id', 'modelID', 'providerID', 'name', 'capabilities', 'variants', 'time', 'cost', 'status', 'enabled', 'limit']

/** @param {any} value */
function freeze(value) {
  if (typeof value !== 'object' || value === null) return
  Object.values(value).forEach(freeze)
  Object.freeze(value)
}

/**
 * (Provider and models) The person's own configuration is applied after the plugins': it
 * wins, and models are merged.
 * @param {Providers} state
 * @param {Record<string, any>} own
 */
function applyProviders(state, own) {
  for (const [id, { models = {}, ...info }] of Object.entries(own)) {
    const known = state.get(id) ?? { provider: /** @type {ProviderInfo} */ ({ id, name: id, activation: 'auto', package: '', settings: {} }), models: new Map() }
    const provider = { ...known.provider, ...info, settings: { ...known.provider.settings, ...info.settings } }
    const merged = new Map(known.models)
    for (const [model, entry] of Object.entries(models)) {
      const empty = { id: model, modelID: model, providerID: id, name: model, capabilities: { tools: true, input: ['text'], output: ['text'] }, variants: [], time: { released: 0 }, cost: [], status: 'active', enabled: true, limit: { context: 0, output: 0 } }
      merged.set(model, { ...empty, ...merged.get(model), .../** @type {object} */ (entry) })
    }
    state.set(id, { provider, models: merged })
  }
}

/** @param {Server} server @param {AbortSignal} signal @returns {AsyncIterable<HostEvent>} */
async function* events(server, signal) {
  for await (const [event] of on(server, 'event', { signal })) yield event
}
