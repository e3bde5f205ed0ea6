// The tools of OpenCode 2, as far as they reach files and processes, between the hooks
// and the permissions that it has.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { Domain } from './host.js'

/** @typedef {import('../../npm-shim/hosts/v2/contract.js').Tool} Tool */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').PermissionRule} Rule */

export class Tools {
  domain = new Domain(/** @returns {Map<string, Tool>} */ () => new Map(), (state) => ({ add: (/** @type {Tool} */ tool) => void state.set(tool.name, tool) }))
  agents
  #location

  /** @param {import('./host.js').Location} location */
  constructor(location) {
    this.#location = location
    // (Tools, guard, permissions) The person's own rules come after the plugins' and win.
    this.agents = new Domain(
      /** @returns {Map<string, { id: string, permissions: Rule[] }>} */ () => new Map([['build', { id: 'build', permissions: [{ action: '*', resource: '*', effect: 'allow' }] }]]),
      (state) => ({ list: () => [...state.values()], update: (/** @type {string} */ id, /** @type {(agent: any) => void} */ update) => update(state.get(id)) }),
      (state) => state.forEach((agent) => agent.permissions.push(...(location.config.permissions ?? []))),
    )
  }

  /** What the model is offered directly. (Tools, guard, permissions) The others are for `execute`. */
  offered() {
    return [...Object.keys(BUILT_IN), ...[...this.domain.read().values()].filter(({ options }) => options?.codemode === false).map(({ name }) => name)]
  }

  /**
   * One call of a model.
   * @param {string} tool
   * @param {any} input
   * @returns {Promise<{ content?: string, output?: unknown, metadata?: unknown, error?: string }>}
   */
  async call(tool, input, sessionID = 'ses_1') {
    const { hooks } = this.#location
    const scope = { sessionID, agent: 'build', id: 'call_1', messageID: 'msg_1' }
    // (Tools, guard, permissions) What it throws denies the call, and the model reads why.
    /** @type {{ input: any }} */
    let before
    try {
      before = await hooks.trigger('tool.execute.before', { ...scope, tool, input })
    } catch (error) {
      return { error: /** @type {Error} */ (error).message }
    }
    /** @type {any} */
    let after
    try {
      after = { status: 'completed', result: await this.#run(tool, before.input) }
    } catch (error) {
      after = { status: 'error', error: { message: /** @type {Error} */ (error).message } }
    }
    after = await hooks.trigger('tool.execute.after', { ...scope, tool, input: before.input, ...after })
    if (after.status === 'error') return { error: after.error.message }
    const { content, output, metadata } = after.result
    return { content: typeof content === 'string' ? content : content.map((/** @type {any} */ part) => part.text ?? '').join(''), output, metadata }
  }

  /** @param {string} tool @param {any} input */
  async #run(tool, input) {
    const own = this.domain.read().get(tool)
    if (own) return own.execute(input, { signal: new AbortController().signal })
    const run = BUILT_IN[tool]
    if (!run) throw new Error(`There is no tool ${tool}`)
    const { directory } = this.#location
    /** @type {Use} */
    const use = {
      directory,
      hooks: this.#location.hooks,
      path: (path) => resolve(directory, path ?? '.'),
      allowed: (action, ...resources) => this.#allowed(action, resources),
      // (Tools, guard, permissions) A subagent's calls and those inside of execute are hooked, too.
      call: (tool, input) => this.call(tool, input, 'ses_2'),
    }
    const result = await run(input, use)
    return typeof result === 'string' ? { content: [{ type: 'text', text: result }], metadata: { preview: result.slice(0, 200) } } : result
  }

  /**
   * (Tools, guard, permissions) The last rule that matches holds, and a deny is final; for
   * what is allowed or asked a hook decides. Whoever is asked says yes here.
   * @param {string} action
   * @param {string[]} resources
   */
  async #allowed(action, resources) {
    const { directory, hooks } = this.#location
    const rules = this.agents.read().get('build')?.permissions ?? []
    // Paths are relative to the directory, or canonical where they are outside of it.
    const named = resources.map((resource) => (action === 'read' || action === 'edit' ? nameOf(resource, directory) : resource))
    const effects = named.map((resource) => rules.findLast((rule) => matches(action, rule.action) && matches(resource, rule.resource))?.effect ?? 'ask')
    if (effects.includes('deny')) throw new Error(`Permission denied: ${action}`)
    const effect = effects.includes('ask') ? 'ask' : 'allow'
    const judged = await hooks.trigger('permission.evaluate', { sessionID: 'ses_1', agent: 'build', action, resources: named, effect, message: /** @type {string | undefined} */ (undefined) })
    if (/** @type {string} */ (judged.effect) === 'deny') throw new Error(judged.message ?? `Permission denied: ${action}`)
  }
}

/**
 * @typedef {{
 *   directory: string,
 *   hooks: import('./host.js').Hooks,
 *   path(path?: string): string,
 *   allowed(action: string, ...resources: string[]): Promise<void>,
 *   call(tool: string, input: unknown): Promise<{ content?: string, error?: string }>,
 * }} Use
 */

// (Tools, guard, permissions) With their names and arguments.
/** @type {Record<string, (input: any, use: Use) => Promise<any>>} */
const BUILT_IN = {
  async read({ path }, { path: at, allowed }) {
    await allowed('read', at(path))
    return statSync(at(path)).isDirectory() ? readdirSync(at(path)).join('\n') : readFileSync(at(path), 'utf8')
  },
  async glob({ pattern, path }, { path: at, allowed }) {
    await allowed('glob', pattern) // the pattern alone
    return filesBelow(at(path)).filter((file) => matches(file, `*${pattern.replaceAll('**/', '*')}`)).join('\n')
  },
  async grep({ pattern, path, include = '*' }, { path: at, allowed }) {
    await allowed('grep', pattern)
    const files = filesBelow(at(path)).filter((file) => matches(basename(file), include))
    const found = (/** @type {string} */ file) => readFileSync(file, 'utf8').split('\n').filter((line) => new RegExp(pattern).test(line))
    return files.flatMap((file) => found(file).map((line) => `${file}: ${line}`)).join('\n')
  },
  async edit({ path, oldString, newString }, { path: at, allowed }) {
    await allowed('edit', at(path))
    const before = readFileSync(at(path), 'utf8')
    writeFileSync(at(path), before.replace(oldString, newString))
    return 'Edited.'
  },
  async write({ path, content }, { path: at, allowed }) {
    await allowed('edit', at(path))
    writeFileSync(at(path), content)
    return 'Written.'
  },
  async patch({ patchText }, { path: at, allowed }) {
    const files = [...patchText.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].map(([, name]) => at(name))
    await allowed('edit', ...files)
    return files.map((file) => readFileSync(file, 'utf8')).join('\n')
  },
  async shell({ command, workdir }, { path: at, allowed, hooks }) {
    await allowed('shell', command)
    const creation = await hooks.trigger('shell.create.before', { command, cwd: at(workdir), timeout: 60_000, shell: '/bin/bash', env: { ...process.env } })
    const env = /** @type {Record<string, string>} */ (creation.env)
    const { stdout, stderr } = await promisify(execFile)(creation.shell, ['-c', creation.command], { cwd: creation.cwd, env, timeout: creation.timeout }).catch((error) => error)
    return `${stdout}${stderr}`
  },
  async webfetch({ url }, { allowed }) {
    await allowed('webfetch', url)
    return (await fetch(url)).text()
  },
  // The prompt of a subagent, and the code of execute, are calls here: there is no model.
  async subagent({ prompt }, { allowed, call }) {
    await allowed('subagent', 'general')
    return callsOf(prompt, call)
  },
  async execute({ code }, { call }) {
    return callsOf(code, call)
  },
}

/** @param {string} path @returns {string[]} the files at or below it; as ripgrep, it follows no links on the way */
function filesBelow(path) {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => name !== 'node_modules')
  return entries.flatMap((entry) => (entry.isDirectory() || entry.isFile() ? filesBelow(join(path, entry.name)) : []))
}

/** @param {string} text @param {Use['call']} call */
async function callsOf(text, call) {
  const { tool, input } = JSON.parse(text)
  const { content, error } = await call(tool, input)
  return content ?? `Error: ${error}`
}

/** @param {string} path @param {string} directory @returns {string} */
function nameOf(path, directory) {
  const inside = relative(directory, path)
  if (!inside.startsWith('..') && !isAbsolute(inside)) return inside
  try {
    return realpathSync(path)
  } catch {
    return dirname(path) === path ? path : join(nameOf(dirname(path), directory), relative(dirname(path), path))
  }
}

/** @param {string} text @param {string} pattern in which * is anything, and ? one character */
function matches(text, pattern) {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^]*').replaceAll('?', '[^]')
  return new RegExp(`^${source}$`).test(text)
}
