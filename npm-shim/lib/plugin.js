// The plugin as OpenCode calls it: once a directory, and again after each sign-in.
import { signInMethods } from './auth.js'
import { configure } from './config.js'
import { guard } from './guard.js'
import { acquire } from './helper.js'
import { PROVIDER } from './messages.js'
import { redact } from './redact.js'
import { tools } from './tools.js'

/**
 * Never waits for OpenCode's client, which answers only after start-up, and never throws.
 * @param {import('./types.js').PluginInput} input
 * @param {{ plain?: boolean }} [options] plain: for an OpenCode whose tools answer with text alone
 * @returns {Promise<import('./types.js').Hooks>}
 */
export async function plugin({ directory, worktree = directory, client }, { plain = false } = {}) {
  const helper = acquire(directory)
  const methods = signInMethods(helper, client)
  /** @type {Promise<void> | undefined} */
  let released
  return {
    auth: { provider: PROVIDER, methods },
    async config(config) {
      const known = await configure(helper, config, worktree)
      if (known?.flows) methods.splice(0, methods.length, ...signInMethods(helper, client, known.flows))
    },
    tool: tools(helper, { plain }),
    'tool.execute.before': ({ tool }, { args }) => guard(helper, { tool, args, directory }),
    'tool.execute.after': ({ tool }, result) => redact(helper, { tool, result, directory }),
    dispose: () => (released ??= helper.release()),
  }
}
