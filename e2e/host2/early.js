// The early core of version 2 inside OpenCode 1.18.34 is a real host, whose plugins have
// the catalogue of models and signing in. It is given our plugin's setup in the form of
// today; what the early core lacks is answered with nothing.
import { Effect } from 'effect-early'

/**
 * @param {{ setup(ctx: any): Promise<unknown> }} plugin
 * @param {string} directory
 */
export function early(plugin, directory) {
  const nothing = async () => ({ dispose: async () => {} })
  const none = { transform: nothing, hook: nothing, reload: async () => {} }
  return {
    id: 'early',
    async setup(/** @type {any} */ ctx) {
      /** @type {Record<string, (event: any) => Promise<void> | void>} */
      const hooks = {}
      // Its requests pass no hook. They come here instead, and from here they go through ours.
      const passed = async (/** @type {Request} */ request, /** @type {string} */ address, /** @type {string} */ providerID) => {
        const { method, headers } = request
        const before = { model: { providerID }, request: new Request(address, { method, headers, body: await request.arrayBuffer() }) }
        await hooks['http.request']?.(before)
        const after = { request: before.request, response: await fetch(before.request) }
        await hooks['http.response']?.(after)
        return after.response
      }
      await plugin.setup({
        options: {},
        location: { directory, project: { canonical: directory } },
        agent: none,
        model: none,
        permission: none,
        shell: none,
        tool: none,
        event: { async *subscribe() {} },
        rpc: { register: async () => ({ events: { emit: async () => {} } }) },
        session: { hook: async (/** @type {string} */ name, /** @type {any} */ callback) => void (hooks[name] = callback) },
        provider: {
          transform: (/** @type {any} */ callback) => ctx.catalog.transform((/** @type {any} */ draft) => callback({ add: (/** @type {any} */ definition) => added(draft, definition, passed) })),
          reload: ctx.catalog.reload,
        },
        integration: {
          connection: ctx.integration.connection,
          reload: ctx.integration.reload,
          transform: (/** @type {any} */ callback) =>
            ctx.integration.transform((/** @type {any} */ draft) => callback({ update: draft.update, method: { update: (/** @type {any} */ input) => draft.method.update(inEffect(input)) } })),
        },
      })
      // The early core goes by what was there when it was first asked, until it is told.
      await ctx.integration.reload()
      await ctx.catalog.reload()
    },
  }
}

/** @type {{ url: URL } | undefined} */
let server

/** @param {any} draft @param {any} definition @param {(request: Request, address: string, providerID: string) => Promise<Response>} passed */
function added(draft, { info, models }, passed) {
  const { baseURL } = info.settings
  server ??= /** @type {any} */ (globalThis).Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (/** @type {Request} */ request) => passed(request, baseURL + new URL(request.url).pathname, info.id),
  })
  const api = { type: 'aisdk', package: '@ai-sdk/openai-compatible', url: server?.url.origin }
  draft.provider.update(info.id, (/** @type {any} */ provider) => Object.assign(provider, { name: info.name, integrationID: info.integrationID, api }))
  for (const { id, name, capabilities, limit } of models) {
    draft.model.update(info.id, id, (/** @type {any} */ model) => Object.assign(model, { name, capabilities, limit, api: { ...api, id } }))
  }
}

/** @param {any} input a method to sign in, which answers with promises */
function inEffect(input) {
  const effect = (/** @type {() => Promise<any>} */ promise) => Effect.tryPromise({ try: promise, catch: (error) => error })
  const authorize = (/** @type {any} */ answer) =>
    Effect.promise(async () => {
      const { callback, ...authorization } = await input.authorize(answer)
      const ended = typeof callback === 'function' ? (/** @type {string} */ code) => effect(() => callback(code)) : effect(() => callback)
      return { ...authorization, callback: ended }
    })
  return { ...input, authorize }
}
