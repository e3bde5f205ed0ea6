// The helper's process: one a project directory, since each may have a configuration of
// its own; started when the plugin is loaded, started again when it died, ended with its
// last user.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { findHelper, foreign, notStarted } from './find-helper.js'
import { Lent } from './lent.js'
import { HelperLost, Problem } from './problem.js'
import { Wire } from './wire.js'

/** @typedef {import('./types.js').CallOptions} CallOptions */
/**
 * @typedef {{
 *   child: import('node:child_process').ChildProcess,
 *   wire: Wire,
 *   hello: Promise<import('./types.js').Initialized>,
 *   config?: import('./types.js').HelperConfig,
 *   lent: Lent,
 *   asking?: Lent,
 * }} Running
 */

const PROTOCOL = 1
// A release's version. What is built in a clone is named otherwise, and may be mixed.
const RELEASE = /^v?(\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?)$/
// A helper answers within milliseconds; one that is silent for so long is broken.
const HELLO_LIMIT = 10_000
// The helper limits each of its own steps; this is for one that has gone silent.
const TOKEN_LIMIT = 120_000
const END_LIMIT = 1_000

export const { name: PACKAGE, version: VERSION } = createRequire(import.meta.url)('../package.json')

// OpenCode makes several plugin instances a directory, and new ones after each sign-in.
/** @type {Map<string, Helper>} */
const helpers = new Map()

/**
 * The helper of a directory, counted; give it back with release. Never throws: what is
 * wrong with the helper is told by the first call that needs it.
 * @param {string} directory
 */
export function acquire(directory) {
  const helper = helpers.get(directory) ?? new Helper(directory)
  helpers.set(directory, helper)
  helper.users++
  helper.greet()
  return helper
}

export class Helper {
  users = 0
  /** @type {AbortController | undefined} the sign-in under way */
  signIn
  /** @type {import('./types.js').ToConfirm | undefined} what the person must confirm first */
  toConfirm
  #directory
  /** @type {Running | undefined} */
  #running
  /** @type {Set<(method: string, params: unknown) => void>} */
  #listeners = new Set()

  /** @param {string} directory */
  constructor(directory) {
    this.#directory = directory
  }

  /** Starts the process if there is none, and asks it anew what the configuration says. */
  greet() {
    try {
      const living = this.#living()
      if (living) this.#initialize(living)
      else this.#start()
    } catch {
      // The next call meets the same problem and tells it.
    }
  }

  /**
   * The configuration, as the helper has read it.
   * @param {CallOptions} [options]
   * @returns {Promise<import('./types.js').HelperConfig>}
   */
  async configuration({ signal } = {}) {
    const before = this.#living()
    let hello = await twice(() => this.#hello(signal))
    if (!hello.config && before) {
      // It may have been written since.
      this.greet()
      hello = await this.#hello(signal)
    }
    return configOf(hello)
  }

  /**
   * What a request needs, if it is here: nothing is asked.
   * @returns {import('./types.js').Pass | undefined}
   */
  ready() {
    const running = this.#running
    return running && !running.wire.closed ? running.lent.pass() : undefined
  }

  /** Tells the helper that a lent token was used, so that it lends that or a newer one for longer. */
  used() {
    const living = this.#living()
    if (living) this.#askBehind(living)
  }

  /**
   * Asks for a token that is valid now, and for the endpoint that it is for.
   * @param {{ signal?: AbortSignal, rejected?: string }} [options] rejected is the fingerprint of a token that the endpoint did not take
   * @returns {Promise<import('./types.js').Pass>}
   */
  async pass({ signal, rejected } = {}) {
    const ask = () =>
      twice(async () => {
        await this.#hello(signal)
        const running = this.#start()
        if (rejected) running.lent = new Lent()
        // The helper answers by the initialize that it had before: both are taken here.
        const { hello, lent, wire } = running
        const answer = await wire.request('getToken', rejected ? { rejected } : {}, { signal, timeout: TOKEN_LIMIT })
        return lent.hold(answer, configOf(await hello))
      })
    try {
      return await ask()
    } catch (error) {
      if (!isChanged(error)) throw error
      this.greet()
      return ask()
    }
  }

  /**
   * What no tool may open, or change.
   * @param {CallOptions} [options]
   * @returns {Promise<import('./types.js').Kept>}
   */
  async kept({ signal } = {}) {
    const { protected: hidden = [], readOnly = [] } = await twice(() => this.#hello(signal))
    return { protected: hidden, readOnly }
  }

  /**
   * Calls a method of the helper. When the helper is found dead or dies on the way, the
   * call is repeated once with a new one.
   * @param {string} method
   * @param {object} [params]
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(method, params, options = {}) {
    const { onNotification, anew, ...rest } = options
    if (anew) this.greet()
    if (onNotification) this.#listeners.add(onNotification)
    try {
      return await twice(async () => {
        await this.#hello(rest.signal)
        return this.#start().wire.request(method, params, rest)
      })
    } finally {
      if (onNotification) this.#listeners.delete(onNotification)
    }
  }

  /**
   * @param {(method: string, params: unknown) => void} listener is called with each notification
   * @returns {() => void} ends that
   */
  listen(listener) {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Ends the process when this was its last user, and resolves when it has ended. One
   * that takes longer is left to itself: it may be finishing a refresh, and a refresh
   * token works only once.
   */
  async release() {
    this.users--
    if (this.users > 0) return
    helpers.delete(this.#directory)
    const running = this.#living()
    if (!running) return
    const { child, wire } = running
    wire.close(new Problem('cancelled', 'OpenCode has closed this project.', 'Start again.'))
    const ended = once(child, 'exit', { signal: AbortSignal.timeout(END_LIMIT) })
    child.ref()
    child.stdin?.end()
    await ended.catch(() => child.unref())
  }

  #living() {
    return this.#running?.wire.closed ? undefined : this.#running
  }

  /** @param {AbortSignal} [signal] */
  async #hello(signal) {
    const { hello } = this.#start()
    return signal ? Promise.race([hello, aborted(signal)]) : hello
  }

  /** @returns {Running} */
  #start() {
    const living = this.#living()
    if (living) return living
    const path = findHelper()
    const child = launch(path)
    if (!child.stdin || !child.stdout) throw notStarted(path, 'no pipes')
    const wire = new Wire(child.stdout, child.stdin, {
      onNotification: (method, params) => {
        if (method === 'session/changed') this.#takeBack(running)
        this.#listeners.forEach((listener) => listener(method, params))
      },
      onBusy: (busy) => hold(child, busy),
      onEnd: () => child.kill(),
    })
    child.on('error', (error) => wire.close(notStarted(path, error)))
    // A shell tries what is no program, and fails: so this is where such a file is found out.
    child.on('exit', (code, signal) => wire.close(foreign(path) ?? new HelperLost(path, signal ?? `exit code ${code}`)))
    child.stderr?.resume()
    hold(child, false)
    /** @type {Running} */
    const running = { child, wire, hello: /** @type {any} */ (undefined), lent: new Lent() }
    this.#initialize(running)
    return (this.#running = running)
  }

  /**
   * Forgets what was lent, and asks behind for what is valid now.
   * @param {Running} running
   */
  #takeBack(running) {
    running.lent = new Lent()
    this.#askBehind(running)
  }

  /**
   * Asks for a token that nobody waits for; whoever needs one meets the same trouble.
   * @param {Running} running
   */
  #askBehind(running) {
    const { lent, wire } = running
    if (running.asking === lent) return
    running.asking = lent
    wire.request('getToken', {}, { behind: true })
      .then(
        // After the configuration, which was asked for before. Without one nothing can be sent.
        (answer) => running.config && lent.hold(answer, running.config),
        (error) => {
          if (running.lent !== lent) return
          if (isChanged(error)) this.#initialize(running)
          else running.lent = new Lent()
        },
      )
      .finally(() => running.asking === lent && (running.asking = undefined))
  }

  /** @param {Running} running */
  #initialize(running) {
    const { child, wire } = running
    const params = { protocol: PROTOCOL, client: { name: PACKAGE, version: VERSION }, directory: this.#directory }
    running.hello = wire.request('initialize', params, { timeout: HELLO_LIMIT }).then((hello) => {
      if (hello?.protocol === PROTOCOL && ofOneVersion(hello.helper.version)) {
        running.config = hello.config
        this.toConfirm = hello.confirm
        return hello
      }
      throw new Problem(
        'config',
        `oci-oidc-helper ${hello?.helper?.version ?? ''} does not fit ${PACKAGE} ${VERSION}: both parts must be of one version.`,
        process.env.OCI_OIDC_HELPER ? 'Unset OCI_OIDC_HELPER, to use the helper that comes with the plugin.' : 'Install the plugin again.',
      )
    })
    running.hello.catch((error) => {
      if (wire.closed) return
      // What cannot say hello is of no use: the next call starts another one.
      wire.close(error)
      child.kill()
    })
    running.config = undefined
    this.#takeBack(running)
  }
}

/** @param {import('./types.js').Initialized} hello */
function configOf({ config, problem }) {
  if (config) return config
  throw problem ? Problem.fromWire(problem) : new Problem('internal', 'oci-oidc-helper named no configuration.', 'Restart OpenCode; if it happens again, please report it.')
}

/**
 * Whether the configuration is no longer the one that initialize told.
 * @param {unknown} error
 */
function isChanged(error) {
  return error instanceof Problem && error.kind === 'changed'
}

/** @param {string} version */
function ofOneVersion(version) {
  const [ours, theirs] = [VERSION, version].map((name) => name.match(RELEASE)?.[1])
  return !ours || !theirs || ours === theirs
}

/**
 * @template T
 * @param {() => Promise<T>} attempt
 */
async function twice(attempt) {
  try {
    return await attempt()
  } catch (error) {
    if (error instanceof HelperLost) return attempt()
    throw error
  }
}

/** @param {string} path */
function launch(path) {
  try {
    return spawn(path, ['--stdio'], { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true })
  } catch (error) {
    // Bun throws here for a binary of another platform.
    throw notStarted(path, error)
  }
}

/**
 * Lets the process of OpenCode end while the helper is idle, and not while it is asked.
 * @param {import('node:child_process').ChildProcess} child
 * @param {boolean} busy
 */
function hold(child, busy) {
  for (const part of [child, child.stdin, child.stdout, child.stderr]) {
    const { ref, unref } = /** @type {{ ref?(): void, unref?(): void }} */ (part ?? {})
    // Bun's streams have no unref.
    if (busy) ref?.call(part)
    else unref?.call(part)
  }
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<never>}
 */
function aborted(signal) {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
