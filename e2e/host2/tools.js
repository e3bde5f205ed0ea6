// Calls of tools, between the hooks and the permissions of OpenCode 2.
import { realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { BUILT_IN } from './built-in.js'
import { Domain } from './host.js'

/** @typedef {import('../../npm-shim/hosts/v2/contract.js').Tool} Tool */

export class Tools {
  domain = new Domain(/** @returns {Map<string, Tool>} */ () => new Map(), (state) => ({ add: (/** @type {Tool} */ tool) => void state.set(tool.name, tool) }))
  #location

  /** @param {import('./host.js').Location} location */
  constructor(location) {
    this.#location = location
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
    /** @type {import('./built-in.js').Use} */
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
   * (Tools, guard, permissions) A hook decides what the rules allow or ask; here they allow
   * everything, and a path is relative to the directory, or canonical where it is outside.
   * @param {string} action
   * @param {string[]} resources
   */
  async #allowed(action, resources) {
    const { directory, hooks } = this.#location
    const named = resources.map((resource) => (action === 'read' || action === 'edit' ? nameOf(resource, directory) : resource))
    const judged = await hooks.trigger('permission.evaluate', { sessionID: 'ses_1', agent: 'build', action, resources: named, effect: 'allow', message: '' })
    if (judged.effect === 'deny') throw new Error(judged.message || `Permission denied: ${action}`)
  }
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
