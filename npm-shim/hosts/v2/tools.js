// Our tools, and the guard over all the others: judged before they run, redacted after.
import { Problem, visible } from '../../lib/problem.js'
import { redacted } from '../../lib/redact.js'

const WITHHELD = 'opencode-oci-oidc withholds what this tool brought, because it cannot be searched for secrets now.'

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {import('./contract.d.ts').Configuration} configuration
 */
export async function tools(ctx, helper, configuration) {
  const { directory } = ctx.location
  const failed = (/** @type {unknown} */ error) => ({ output: Problem.from(error).text })
  const run = (/** @type {string} */ name, /** @type {AbortSignal} */ signal) =>
    helper.call('tool', { name }, { signal }).catch(failed)
  await ctx.tool.transform((editor) => {
    for (const { name, description } of configuration.now.tools) {
      editor.add({
        name,
        description,
        input: { type: 'object', properties: {}, additionalProperties: false },
        options: { codemode: false },
        execute: async (_, { signal }) => ({ content: (await run(name, signal)).output }),
      })
    }
  })

  /** @type {(judged: object) => Promise<string | undefined>} the reason not to */
  const denied = async (judged) => {
    try {
      return visible((await helper.call('guard', { ...judged, directory })).deny)
    } catch (error) {
      return /** @type {any} */ (error).text ?? String(error)
    }
  }
  await ctx.tool.hook('execute.before', async ({ tool, input }) => {
    const reason = await denied({ tool, args: input })
    if (reason) throw new Error(reason)
  })
  await ctx.tool.hook('execute.after', async (event) => {
    const call = { tool: event.tool, directory }
    if (event.status !== 'error') {
      event.result = await redacted(helper, call, event.result).catch(() => ({ content: WITHHELD }))
    } else {
      const message = event.error?.message
      const clean = await redacted(helper, call, message).catch(() => WITHHELD)
      if (clean !== message) event.error.message = clean
    }
  })
  await ctx.permission.hook('evaluate', async (event) => {
    const reason = await denied({ permission: event.action, resources: event.resources })
    if (reason) Object.assign(event, { effect: 'deny', message: reason })
  })
  await ctx.shell.hook('create.before', ({ env }) => {
    // On Windows a name may be written in another case than in the configuration.
    const secrets = configuration.now.secrets.map((name) => name.toUpperCase())
    for (const name in env) if (secrets.includes(name.toUpperCase())) delete env[name]
  })
}
