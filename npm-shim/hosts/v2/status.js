// What stands beside the prompt, for the command line's part.
import rpc from './rpc.js'

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {AbortSignal} ended
 */
export async function status(ctx, helper, ended) {
  const registered = await ctx.rpc.register(rpc, {
    status: async () => (await helper.call('status')).item ?? {},
    command: (/** @type {any} */ { name }) => helper.call('command', { name }),
  })
  const unlisten = helper.listen((method, params) => {
    if (method === 'status/changed') void registered.events.emit('changed', params.item ?? {}).catch(() => {})
  })
  ended.addEventListener('abort', unlisten, { once: true })
}
