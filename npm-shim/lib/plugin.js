// The plugin as OpenCode calls it: once a directory, and again after each sign-in.
import { order, signInMethods } from './auth.js'
import { configure } from './config.js'
import { guard } from './guard.js'
import { acquire } from './helper.js'
import { PROVIDER } from './messages.js'
import { tools } from './tools.js'

/**
 * Never waits for OpenCode's client, which answers only after start-up, and never throws.
 * @param {import('./types.js').PluginInput} input
 * @returns {Promise<import('./types.js').Hooks>}
 */
export async function plugin({ directory, client }) {
  const helper = acquire(directory)
  const methods = signInMethods(helper, client)
  /** @type {Promise<void> | undefined} */
  let released
  return {
    auth: { provider: PROVIDER, methods },
    async config(config) {
      order(methods, await configure(helper, config))
    },
    tool: tools(helper),
    'tool.execute.before': ({ tool }, { args }) => guard(helper, { tool, args, directory }),
    dispose: () => (released ??= helper.release()),
  }
}
