// The fetch of the provider, for both versions of OpenCode: a token on every request
// (`withToken`), to the endpoint of the lease alone (`addressed`). The one repeat after a
// refused token is in `settled`; the helper decides whether to repeat (rpc/explain.go).
import { createHash } from 'node:crypto'
import { Helper, PROVIDER } from './helper.js'
import { Problem } from './problem.js'

/** @import { Explained, Fetch, Lease } from './interface.d.ts' */

// How much of an error answer is read for the helper, in characters, and for how long, in milliseconds.
const MAX_ERROR = 64 << 10
const ERROR_LIMIT = 10_000

/**
 * Returns the fetch of a provider. With a lease it sends a request at once, without any
 * asynchronous step before: OpenCode is so busy that each one costs time.
 * @param {Helper} helper
 * @param {string} baseURL the base URL in the host's configuration, which the current one replaces, or ''
 * @param {string} [provider]
 * @returns {Fetch}
 */
export function createFetch(helper, baseURL, provider = PROVIDER) {
  const told = baseURL.replace(/\/*$/, '/')
  return async (input, init) => {
    const plain = typeof input === 'string' && (init?.body == null || typeof init.body === 'string')
    const [target, options] = plain ? [input, init] : await repeatable(input, init)
    const signal = options?.signal ?? undefined
    const failed = (/** @type {any} */ error) => {
      if (signal?.aborted) throw error
      return explained(helper, { provider, code: String(error?.cause?.code ?? error?.code ?? '') }, error)
    }
    const send = (/** @type {Lease} */ lease) => {
      const address = addressed(target, lease, told)
      if (address) return globalThis.fetch(address, withToken(options, lease)).catch(failed)
      return explained(helper, { provider, address: new URL(target).origin }, new Error('It goes to another origin.'))
    }
    const lent = helper.lease(provider)
    const lease = lent ?? (await helper.borrow({ signal, provider }))
    const sent = send(lease)
    if (lent) helper.used(provider)
    const request = typeof options?.body === 'string' ? options.body.slice(0, 256) : ''
    return settled(helper, lease, await sent, send, { signal, request })
  }
}

// JavaScript is compiled where it first runs, which costs a busy process milliseconds. So one
// request is made while nobody waits, with a helper that is never started: to a data: address,
// which leads nowhere.
const stage = new Helper('', '')
stage.accept({ accessToken: '', tokenType: '', expiresAt: '', useUntil: '9999', baseURL: 'data:,' })
setImmediate(() => createFetch(stage, '')('data:,/', { method: 'POST', headers: {}, body: '{}' }).catch(() => {}))

/**
 * Returns a successful response as it is. Any other response is sent to the helper, which
 * decides whether to repeat the request with another token, and what the error says.
 * @param {Helper} helper
 * @param {Lease} lease
 * @param {Response} response
 * @param {(lease: Lease) => Promise<Response>} again
 * @param {{ signal?: AbortSignal, request?: string, repeated?: boolean }} [options]
 * @returns {Promise<Response>}
 */
export async function settled(helper, lease, response, again, { signal, request, repeated = false } = {}) {
  const { provider } = lease
  if (response.ok) helper.served[provider] = Date.now()
  if (response.ok) return response
  const fingerprint = createHash('sha256').update(lease.token).digest('hex').slice(0, 16)
  const served = Date.now() - (helper.served[provider] ?? 0)
  const shown = { provider, fingerprint, request, repeated, served, ...(await beginning(response)) }
  /** @type {Explained} */
  const { problem, token, status = response.status, headers, body } = await explain(helper, shown, signal)
  if (problem) throw Problem.fromWire(problem)
  if (!token || repeated) return new Response(body || null, { status: Math.min(Math.max(status, 200), 599), headers })
  const renewed = helper.accept(token, provider)
  return settled(helper, renewed, await again(renewed), again, { signal, request, repeated: true })
}

/**
 * The helper's result of `explain`, or an empty one if the helper cannot be reached.
 * @param {Helper} helper
 * @param {object} shown
 * @param {AbortSignal} [signal]
 * @returns {Promise<Explained>}
 */
async function explain(helper, shown, signal) {
  const answer = await helper.call('explain', shown, { signal }).catch(() => {})
  signal?.throwIfAborted()
  return answer ?? {}
}

/**
 * Throws the problem that the helper returns for a failure, or else the original error.
 * @param {Helper} helper
 * @param {object} fault
 * @param {unknown} error
 * @returns {Promise<never>}
 */
async function explained(helper, fault, error) {
  const { problem } = await explain(helper, fault)
  throw problem ? Problem.fromWire(problem) : error
}

/**
 * A response's status, its headers and the beginning of its body, even if the rest does not arrive.
 * @param {Response} response
 */
async function beginning(response) {
  const reader = response.body?.getReader()
  const stop = () => void reader?.cancel().catch(() => {})
  const timer = setTimeout(stop, ERROR_LIMIT)
  const decoder = new TextDecoder()
  let body = ''
  try {
    while (reader && body.length < MAX_ERROR) {
      const { done, value } = await reader.read()
      if (done) break
      body += decoder.decode(value, { stream: true })
    }
  } catch {
    // The connection was cut, or the time is over.
  }
  clearTimeout(timer)
  stop()
  return { status: response.status, headers: Object.fromEntries(response.headers), body }
}

/**
 * A URL and options that can be sent twice: the body of a Request, or one that is a stream,
 * is read into memory.
 * @param {string | URL | Request} input
 * @param {any} [init]
 * @returns {Promise<[string, any]>}
 */
async function repeatable(input, init) {
  if (input instanceof Request) {
    const body = input.body ? await input.arrayBuffer() : undefined
    return repeatable(input.url, { method: input.method, headers: input.headers, signal: input.signal, body, ...init })
  }
  if (!init?.body?.[Symbol.asyncIterator] && !(init?.body instanceof ReadableStream)) return [String(input), init]
  const { duplex, ...rest } = init
  return [String(input), { ...rest, body: await new Response(init.body).arrayBuffer() }]
}

/**
 * The URL to send a request to, or undefined if it is not at the endpoint's origin.
 * @param {string} target
 * @param {Lease} lease
 * @param {string} told
 */
function addressed(target, { origin, prefix }, told) {
  if (target.startsWith(prefix)) return target
  if (target.startsWith(told)) return prefix + target.slice(told.length)
  return new URL(target).origin === origin ? target : undefined
}

/**
 * The request's options with the token as the only Authorization. Redirects are not
 * followed: they would send the prompt, and in some runtimes the token, to another place.
 * @param {any} options
 * @param {Lease} lease
 */
function withToken(options, { authorization, tls }) {
  const given = options?.headers
  const plain = !given || Object.getPrototypeOf(given) === Object.prototype
  /** @type {Record<string, string>} */
  const headers = { ...(plain ? given : Object.fromEntries(new Headers(given))), authorization }
  for (const name in headers) {
    // The comparison of the length is the cheapest and comes first.
    if (name.length === 13 && name !== 'authorization' && name.toLowerCase() === 'authorization') delete headers[name]
  }
  return { ...options, headers, redirect: 'manual', ...(tls && { tls: { ...options?.tls, ...tls } }) }
}
