// The server's part for OpenCode 2: called once for each location, in the one server that all
// windows share. OpenCode removes what is registered here when it unloads the plugin.
import { acquire } from '../../lib/helper.js'
import { told, tolerant } from './context.js'
import { requests } from './requests.js'
import { signIn } from './sign-in.js'
import { status } from './status.js'
import { tools } from './tools.js'

/** @typedef {import('./contract.d.ts').Context} Context */
/** @typedef {import('./contract.d.ts').Configuration} Configuration */

// Notifications after which the result of `configure` may be another one.
const CHANGES = ['session/changed', 'connect/methods', 'configure/changed']

// In milliseconds. The first prompt waits for the start, and a sign-in until the host has the new models.
export const timing = { start: 10_000, reload: 10_000 }

/**
 * @param {Context} context
 * @returns {Promise<import('./contract.d.ts').Cleanup>}
 */
export async function setup(context) {
  const helper = acquire(context.location.directory, 'opencode-2')
  const ctx = tolerant(context, (what) => void helper.call('lacks', { what }).catch(() => {}))
  const end = new AbortController()
  try {
    const configuration = await follow(ctx, helper, end.signal)
    await requests(ctx, helper, configuration)
    await signIn(ctx, helper, configuration, end.signal)
    await tools(ctx, helper, configuration)
    await status(ctx, helper, end.signal)
  } catch (error) {
    end.abort()
    await helper.release()
    told(error)
  }
  return async () => {
    end.abort()
    await helper.release()
  }
}

/**
 * Registers the providers and their models, and keeps them up to date without a restart.
 * @param {Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {AbortSignal} ended
 * @returns {Promise<Configuration>}
 */
async function follow(ctx, helper, ended) {
  let updating = Promise.resolve()
  const update = async () => {
    const next = await helper.call('configure')
    if (ended.aborted || JSON.stringify(next) === JSON.stringify(configuration.now)) return
    configuration.now = next
    const late = new Promise((resolve) => setTimeout(resolve, timing.reload).unref())
    await Promise.race([late, Promise.all([ctx.provider.reload(), ctx.integration.reload()])])
  }
  /** @type {Configuration} */
  const configuration = {
    now: await helper.call('configure', {}, { limit: timing.start }),
    // One after the other, so that each resolves when the host has its result, or takes too long.
    update() {
      updating = updating.then(update, update)
      return updating
    },
  }
  // The host freezes what it is given, and a transform that throws would block all providers.
  await ctx.provider.transform((editor) => {
    for (const provider of structuredClone(configuration.now.providers)) editor.add(provider)
  })
  // The next call of the helper reports the same problem.
  const unlisten = helper.listen((method) => CHANGES.includes(method) && configuration.update().catch(() => {}))
  ended.addEventListener('abort', unlisten, { once: true })
  return configuration
}
