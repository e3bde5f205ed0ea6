// Adds the token to each request. The host sends requests itself and follows redirects, and no
// hook can change that. So the hook replaces the request by one to a data: URL, and then the
// response by that of our own fetch: with the token, only to the origin of the provider's
// endpoint, with ca_file, and without redirects. The host never gets the token.
import { createFetch } from '../../lib/fetch.js'
import { visible } from '../../lib/problem.js'

// The host gave up the oldest requests if there are more without a response.
const MOST_WAITING = 1_000

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {import('./contract.d.ts').Configuration} configuration
 */
export async function requests(ctx, helper, configuration) {
  /** @type {Map<string, { request: Request, fetch: import('../../lib/interface.d.ts').Fetch }>} the original requests by data: URL */
  const waiting = new Map()
  let last = 0

  // First, since a request that only the other hook had changed would get an empty response.
  await ctx.session.hook('http.response', async (event) => {
    const { request, fetch } = waiting.get(event.request.url) ?? {}
    if (!request || !fetch) return
    waiting.delete(event.request.url)
    // Headers that other plugins have added since.
    for (const [name, value] of event.request.headers) request.headers.set(name, value)
    event.response = await fetch(request).catch(answered)
  })
  await ctx.session.hook('http.request', (event) => {
    const provider = configuration.now.providers.find(({ info }) => info.id === event.model?.providerID)
    if (!provider) return
    const { id, settings } = provider.info
    const nowhere = `data:,${++last}`
    waiting.set(nowhere, { request: event.request, fetch: createFetch(helper, String(settings.baseURL), id) })
    event.request = new Request(nowhere)
    for (const oldest of waiting.keys()) if (waiting.size > MOST_WAITING) waiting.delete(oldest)
  })
}

/**
 * An error as a response, whose text the host shows. If the hook threw it, the turn would end
 * without a retry.
 * @param {any} error a problem, or an error of the network, which is retried
 */
function answered(error) {
  const { text = error.cause?.message ?? error.message, kind = 'network', retryable = !error.kind } = error
  const status = retryable ? 503 : kind === 'login_required' ? 401 : 403
  const headers = { 'x-should-retry': String(retryable) }
  return Response.json({ error: { message: visible(text), type: kind } }, { status, headers })
}
