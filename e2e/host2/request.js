// One request to a model, on the HTTP client of OpenCode 2: effect's.
import { Effect, Stream } from 'effect'
import { FetchHttpClient, HttpClient, HttpClientRequest, HttpClientResponse } from 'effect/http'

/** @typedef {import('../../npm-shim/hosts/v2/contract.js').SessionScope} SessionScope */
/** @typedef {{ text?: string, error?: string, defect?: boolean, attempts: number, delays: number[], status?: number }} Outcome */

// (Errors) What is sent again, besides transport failures: four times, from two seconds on.
const RETRIED = (/** @type {number} */ status) => [408, 409, 429].includes(status) || status >= 500
const RETRIES = 4
const FIRST_DELAY = 2_000

/**
 * Asks, and asks again as the host would; the delays are told, not waited for.
 * @param {import('./host.js').Hooks} hooks
 * @param {SessionScope} scope
 * @param {import('../../npm-shim/hosts/v2/contract.js').ProviderInfo} provider
 * @param {import('../../npm-shim/hosts/v2/contract.js').ModelInfo} model
 * @param {string} text
 * @param {Promise<import('../../npm-shim/hosts/v2/contract.js').Credential | undefined>} credential
 * @returns {Promise<Outcome>}
 */
export async function send(hooks, scope, provider, model, text, credential) {
  const access = (await credential)?.access
  const headers = {
    ...provider.headers,
    // (Provider and models) Without a credential there is no Authorization.
    ...(access && { authorization: `Bearer ${access}` }),
    // (The token on each request) Also sent.
    'x-opencode-session-id': scope.sessionID,
    'x-session-affinity': scope.sessionID,
  }
  const request = HttpClientRequest.post(`${provider.settings.baseURL}/chat/completions`, { headers }).pipe(
    HttpClientRequest.bodyText(JSON.stringify({ model: model.modelID, stream: true, messages: [{ role: 'user', content: text }], ...provider.body }), 'application/json'),
  )
  /** @type {number[]} */
  const delays = []
  for (;;) {
    const outcome = await Effect.runPromise(exchange(hooks, scope, request).pipe(Effect.provide(FetchHttpClient.layer), Effect.catchCause((cause) => Effect.succeed(failure(cause)))))
    if (!outcome.again || delays.length === RETRIES) {
      const { again, retryAfter, ...rest } = outcome
      return { ...rest, attempts: delays.length + 1, delays }
    }
    delays.push(outcome.retryAfter ?? FIRST_DELAY * 2 ** delays.length)
  }
}

/**
 * (The token on each request) Request → hook → request, the body as bytes → fetch → hook.
 * @param {import('./host.js').Hooks} hooks
 * @param {SessionScope} scope
 * @param {import('effect/http').HttpClientRequest.HttpClientRequest} request
 */
function exchange(hooks, scope, request) {
  return Effect.gen(function* () {
    const client = yield* HttpClient.HttpClient
    const web = yield* HttpClientRequest.toWeb(request)
    const before = yield* Effect.promise(() => hooks.trigger('session.http.request', { ...scope, request: web }))
    // A redirect mode that a hook has set is lost here.
    let sent = HttpClientRequest.fromWeb(before.request)
    if (before.request.body) {
      const bytes = yield* Effect.promise(() => before.request.clone().arrayBuffer())
      sent = HttpClientRequest.bodyUint8Array(sent, new Uint8Array(bytes), before.request.headers.get('content-type') ?? undefined)
    }
    const response = yield* client.execute(sent)
    const stream = [204, 205, 304].includes(response.status) ? null : yield* Stream.toReadableStreamEffect(response.stream)
    // The hook is not told from which address it came.
    const answer = new Response(stream, { status: response.status, headers: response.headers })
    const after = yield* Effect.promise(() => hooks.trigger('session.http.response', { ...scope, request: before.request, response: answer }))
    const final = HttpClientResponse.fromWeb(sent, after.response)
    const body = yield* final.text
    return judged(final.status, body, final.headers)
  })
}

/** @param {number} status @param {string} body @param {Record<string, string | undefined>} headers */
function judged(status, body, headers) {
  if (status < 400) return { text: said(body), status }
  const should = headers['x-should-retry']
  const after = Number(headers['retry-after'] ?? NaN)
  return {
    // (Errors) error.message of an answer is shown.
    error: message(body) ?? `Provider request failed with HTTP ${status}`,
    status,
    // (The token on each request) An answer's x-should-retry overrules the status.
    again: should === 'true' || (should !== 'false' && RETRIED(status)),
    retryAfter: Number.isNaN(after) ? undefined : after * 1_000,
  }
}

/** @param {string} body */
function message(body) {
  try {
    const { error, message } = JSON.parse(body)
    return error?.message ?? message
  } catch {
    return undefined
  }
}

/** @param {string} stream of server-sent events */
function said(stream) {
  return stream.split('\n').filter((line) => line.startsWith('data: {')).map((line) => JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? '').join('')
}

/**
 * (What decides the design) What a hook throws is a defect: no retry, and the turn ends
 * with its text. What the transport throws is sent again.
 * @param {import('effect').Cause.Cause<unknown>} cause
 */
function failure(cause) {
  const [reason] = cause.reasons
  const defect = reason?._tag === 'Die'
  const error = /** @type {any} */ (defect ? reason.defect : reason?._tag === 'Fail' ? reason.error : undefined)
  return { error: String(error?.message ?? error), defect, again: !defect, status: undefined, retryAfter: undefined }
}
