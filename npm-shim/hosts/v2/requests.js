// The token on each request. The host sends requests itself and follows redirects, and no
// hook can change how. So it is given one that leads nowhere, a data: address, and the
// answer to it is replaced by that of our own fetch: with the token, to the origin of
// llm_base_url alone, over ca_file, and without redirects. The token never enters the host.
import { createFetch } from '../../lib/fetch.js'
import { visible } from '../../lib/problem.js'

// What never got an answer was given up by the host.
const MOST_WAITING = 1_000

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {import('../../lib/helper.js').Helper} helper
 * @param {import('./contract.d.ts').Configuration} configuration
 */
export async function requests(ctx, helper, configuration) {
  const { id, settings } = configuration.now.provider.info
  const fetch = createFetch(helper, String(settings.baseURL))
  /** @type {Map<string, Request>} by the address that leads nowhere */
  const waiting = new Map()
  let last = 0

  await ctx.session.hook(
    'http.request',
    (event) => {
      const nowhere = `data:,${++last}`
      waiting.set(nowhere, event.request)
      event.request = new Request(nowhere)
      for (const oldest of waiting.keys()) if (waiting.size > MOST_WAITING) waiting.delete(oldest)
    },
    { providerID: id },
  )
  await ctx.session.hook(
    'http.response',
    async (event) => {
      const request = waiting.get(event.request.url)
      if (!request) return
      waiting.delete(event.request.url)
      // What other plugins have added since.
      for (const [name, value] of event.request.headers) request.headers.set(name, value)
      event.response = await fetch(request).catch(answered)
    },
    { providerID: id },
  )
}

/**
 * An error as an answer, whose text the host shows. What a hook throws would end the turn
 * without another try, also where one helps.
 * @param {any} error a problem, or the network's own error, which may pass
 */
function answered(error) {
  const { text = error.cause?.message ?? error.message, kind = 'network', retryable = !error.kind } = error
  const status = retryable ? 503 : kind === 'login_required' ? 401 : 403
  const headers = { 'x-should-retry': String(retryable) }
  return Response.json({ error: { message: visible(text), type: kind } }, { status, headers })
}
