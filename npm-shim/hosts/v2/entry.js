// The entries of OpenCode 2. Nothing else of this folder is read by OpenCode 1.

/** @param {import('./contract.d.ts').Context} ctx */
export async function setup(ctx) {
  // OpenCode 1.18 boots an early core of version 2 beside version 1, which has the plugin.
  if (!ctx.session?.hook || !ctx.provider?.transform) return undefined
  return (await import('./plugin.js')).setup(ctx)
}

/** @param {import('./contract.d.ts').CliContext} context */
export async function setupTui(context) {
  if (!context.client?.rpc || !context.ui?.slot) return undefined // it could only show the status
  return (await import('./tui.js')).setup(context)
}
