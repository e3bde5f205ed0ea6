// What stands beside the prompt, for the command line's part.
import rpc from './rpc.js'

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {AbortSignal} ended
 */
export async function status(ctx, helper, ended) {
  const status = async () => (await helper.call('status')).item ?? {}
  const command = async (/** @type {any} */ { name }) => (await helper.call('command', { name })).toast ?? {}
  const registered = await ctx.rpc.register(rpc, { status, command })
  const tell = (/** @type {any} */ item) => registered?.events.emit('changed', item ?? {}).catch(() => {})
  const unlisten = helper.listen((method, { item }) => method === 'status/changed' && tell(item))
  ended.addEventListener('abort', unlisten, { once: true })
}
