// The fetch of the provider: a token on every request, to the origin of llm_base_url alone.
import { createHash } from 'node:crypto'
import { answered, refused } from './answer.js'
import { UNKNOWN_MODEL } from './messages.js'
import { bare, endpointOf } from './network.js'
import { forOpenCode, Problem } from './problem.js'

/** @typedef {import('./types.js').HelperConfig} HelperConfig */
/** @typedef {import('./types.js').Pass} Pass */
/** @typedef {import('./network.js').Send} Send */
/** @typedef {import('./network.js').Endpoint & { pass: Pass, authorization: string }} Route the way of a token to its endpoint */
/** @typedef {Pick<import('./helper.js').Helper, 'ready' | 'used' | 'configuration' | 'pass' | 'greet'>} Asked */

const NO_MODEL = `{"model":${JSON.stringify(Object.keys(UNKNOWN_MODEL)[0])},`

/**
 * With a token that is lent a request leaves before anything is waited for. OpenCode is so
 * busy that each function on the way to that, most of all an asynchronous one, costs
 * microseconds, so there are few; what comes after has time.
 * @param {Asked} helper
 * @param {string} told the base URL that OpenCode was given; the one to use may be known later
 * @param {Send} [network]
 * @returns {import('./types.js').Fetch}
 */
export function createFetch(helper, told, network = (target, init) => globalThis.fetch(target, init)) {
  const toldPrefix = `${bare(told)}/`
  /** @type {Route | undefined} */
  let latest
  const routeOf = (/** @type {Pass} */ pass) => (latest?.pass === pass ? latest : (latest = routeTo(pass)))

  return async (input, init) => {
    try {
      const lent = helper.ready()
      const pass = lent ?? (await asked(helper, input, init, toldPrefix))
      const request = typeof input === 'string' && typeof init?.body === 'string' ? undefined : repeatable(input, init)
      const sent = send(network, routeOf(pass), toldPrefix, input, init, request)
      if (lent) helper.used()
      const response = await answered(sent, pass)
      if (response.status !== 401) return response
      await response.body?.cancel()
      const renewed = await helper.pass({ signal: signalOf(input, init), rejected: fingerprint(pass.token) })
      const repeated = await answered(send(network, routeOf(renewed), toldPrefix, input, init, request), renewed)
      return repeated.status === 401 ? await refused(repeated, renewed) : repeated
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      // What is to be confirmed has to be known to /connect.
      if (error.kind === 'untrusted') helper.greet()
      throw forOpenCode(error)
    }
  }
}

/**
 * Goes the way of a request without sending one. JavaScript is compiled where it first
 * runs, which takes a busy process a millisecond: here nobody waits for it.
 * @param {import('./helper.js').Helper} helper
 * @param {HelperConfig} config
 */
export async function rehearse(helper, config) {
  helper.ready()
  const unasked = () => Promise.reject(new Error('nothing is asked at a rehearsal'))
  const stage = { ready: () => ({ config, token: 'none' }), used() {}, greet() {}, configuration: unasked, pass: unasked }
  const fetch = createFetch(stage, config.baseURL, async () => new Response())
  await fetch(`${config.baseURL}/rehearsal`, { method: 'POST', headers: { accept: '*/*' }, body: '{}' }).catch(() => {})
}

/**
 * The pass for a request, where none is lent. What may not be sent anyhow needs none.
 * @param {Asked} helper
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @param {string} toldPrefix
 */
async function asked(helper, input, init, toldPrefix) {
  const signal = signalOf(input, init)
  const config = await helper.configuration({ signal })
  addressed(input, routeTo({ config, token: '' }), toldPrefix)
  return helper.pass({ signal })
}

/**
 * @param {Pass} pass
 * @returns {Route}
 */
function routeTo(pass) {
  return { pass, authorization: `Bearer ${pass.token}`, ...endpointOf(pass.config) }
}

/**
 * Sends a request with a token, to the endpoint that the token is for.
 * @param {Send} network
 * @param {Route} route
 * @param {string} toldPrefix
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @param {Request | undefined} request both of them as one, which is kept for another time
 * @returns {Promise<Response>}
 */
function send(network, route, toldPrefix, input, init, request) {
  const address = addressed(input, route, toldPrefix)
  if (asksForNoModel(init)) throw noModel(route.pass.config)
  const headers = withToken(request ? request.headers : init?.headers, route.authorization)
  // A redirect would carry the prompt, and in some runtimes the token, to another place.
  const options = { ...(request ? undefined : init), headers, redirect: /** @type {const} */ ('manual') }
  const target = request ? new Request(address, request.clone()) : address
  return route.guarded ? route.guarded(network, target, options) : network(target, options)
}

/**
 * The request as an object of which there can be copies, unless it can be repeated as it is.
 * @param {string | URL | Request} input
 * @param {RequestInit} [init]
 */
function repeatable(input, init) {
  return isRequest(input) || (init?.body != null && typeof init.body !== 'string') ? new Request(input, init) : undefined
}

/**
 * @param {string | URL | Request} input
 * @returns {input is Request}
 */
function isRequest(input) {
  return typeof input !== 'string' && input instanceof Request
}

/**
 * @param {string | URL | Request} input
 * @param {RequestInit} [init]
 */
function signalOf(input, init) {
  return init?.signal ?? (isRequest(input) ? input.signal : undefined)
}

/**
 * Whether the model is the one that stands where none is known; the AI SDK names the
 * model first.
 * @param {RequestInit} [init]
 */
function asksForNoModel(init) {
  return typeof init?.body === 'string' && init.body.startsWith(NO_MODEL)
}

/** @param {HelperConfig} config */
function noModel({ baseURL }) {
  return new Problem(
    'config',
    `You are signed in, but no models of ${new URL(baseURL).host} are known yet.`,
    'Start OpenCode again. If there are none then either, "oci-oidc-helper models --refresh" tells why; you can also name them under provider.oci-oidc.models in opencode.json.',
  )
}

/** @param {string} token */
function fingerprint(token) {
  return createHash('sha256').update(token).digest('hex').slice(0, 16)
}

/**
 * The address to which a request goes.
 * @param {string | URL | Request} input
 * @param {Route} route
 * @param {string} toldPrefix
 */
function addressed(input, { pass, origin, prefix }, toldPrefix) {
  if (typeof input === 'string' && input.startsWith(prefix)) return input
  const target = isRequest(input) ? input.url : String(input)
  if (target.startsWith(prefix)) return target
  if (target.startsWith(toldPrefix)) return prefix + target.slice(toldPrefix.length)
  if (new URL(target).origin !== origin) {
    throw new Problem(
      'config',
      `The request goes to ${new URL(target).origin}, but llm_base_url in ${pass.config.path} is at ${origin}: the token is sent there and nowhere else.`,
      'Make options.baseURL of the provider in opencode.json agree with llm_base_url, or remove it.',
    )
  }
  return target
}

/**
 * The headers with the token, and with no other Authorization.
 * @param {RequestInit['headers']} headers
 * @param {string} authorization
 */
function withToken(headers, authorization) {
  if (headers && Object.getPrototypeOf(headers) !== Object.prototype) {
    const all = new Headers(headers)
    all.set('authorization', authorization)
    return all
  }
  /** @type {Record<string, string>} */
  const all = { .../** @type {Record<string, string> | undefined} */ (headers), authorization }
  for (const name in all) {
    // The length first: each call counts.
    if (name.length === 13 && name !== 'authorization' && name.toLowerCase() === 'authorization') delete all[name]
  }
  return all
}
