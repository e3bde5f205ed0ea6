// The fetch of the provider: a token on every request, to the origin of llm_base_url alone.
import { createHash } from 'node:crypto'
import { UNKNOWN_MODEL, unretryable } from './messages.js'
import { sending } from './network.js'
import { forOpenCode, Problem } from './problem.js'

/** @typedef {import('./types.js').HelperConfig} HelperConfig */
/** @typedef {import('./types.js').Pass} Pass */

const NO_MODEL = `{"model":${JSON.stringify(Object.keys(UNKNOWN_MODEL)[0])},`
const REDIRECTS = [301, 302, 303, 307, 308]

// What is read of an error, in characters and in milliseconds.
const MAX_ERROR = 64 << 10
const ERROR_LIMIT = 10_000

// What moves a terminal or turns a line around, as it is or as JSON writes it.
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g
const ESCAPED = /\\(?:\\|u00(?:0[0-8bcef]|1[\da-f]|7f|[89][\da-f])|u20(?:2[a-e]|6[6-9]))/gi

/**
 * @param {import('./helper.js').Helper} helper
 * @param {string} told the base URL that OpenCode was given; the one to use may be known later
 * @returns {import('./types.js').Fetch}
 */
export function createFetch(helper, told) {
  const toldPrefix = `${bare(told)}/`
  return async (input, init) => {
    const signal = init?.signal ?? (isRequest(input) ? input.signal : undefined)
    try {
      // Nothing is waited for where a token is lent: OpenCode's event loop is busy.
      const ready = helper.ready()
      // What may not be sent anyhow needs no token.
      if (!ready) addressed(input, await helper.configuration({ signal }), toldPrefix)
      const pass = ready ?? (await helper.pass({ signal }))
      const send = sender(input, init, toldPrefix)
      if (asksForNoModel(init)) throw noModel(pass.config)
      const sent = send(pass)
      if (ready) helper.used()
      const response = await sent
      if (response.status !== 401) return response
      await response.body?.cancel()
      const renewed = await helper.pass({ signal, rejected: fingerprint(pass.token) })
      const repeated = await send(renewed)
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
 * @param {string | URL | Request} input
 * @returns {input is Request}
 */
function isRequest(input) {
  return typeof input !== 'string' && input instanceof Request
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
 * @param {HelperConfig} config
 * @param {string} toldPrefix
 */
function addressed(input, config, toldPrefix) {
  const { origin: allowed, prefix } = endpointOf(config)
  const target = isRequest(input) ? input.url : String(input)
  if (target.startsWith(prefix)) return target
  if (target.startsWith(toldPrefix)) return prefix + target.slice(toldPrefix.length)
  if (new URL(target).origin !== allowed) {
    throw new Problem(
      'config',
      `The request goes to ${new URL(target).origin}, but llm_base_url in ${config.path} is at ${allowed}: the token is sent there and nowhere else.`,
      'Make options.baseURL of the provider in opencode.json agree with llm_base_url, or remove it.',
    )
  }
  return target
}

/**
 * A function that sends the request with a token, as often as it is called, and each
 * time to the endpoint that the token is for.
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @param {string} toldPrefix
 */
function sender(input, init, toldPrefix) {
  const plain = !isRequest(input) && (init?.body == null || typeof init.body === 'string')
  const request = plain ? undefined : new Request(input, init)

  return async (/** @type {Pass} */ { config, token }) => {
    const target = addressed(input, config, toldPrefix)
    const { send } = endpointOf(config)
    const headers = withToken(request?.headers ?? init?.headers, token)
    // A redirect would carry the prompt, and in some runtimes the token, to another place.
    const response = await send(request ? new Request(target, request.clone()) : target, { ...(request ? {} : init), headers, redirect: 'manual' })
    if (response.type === 'opaqueredirect' || REDIRECTS.includes(response.status)) {
      await response.body?.cancel()
      throw redirected(response.headers.get('location'), target, config)
    }
    return response.status < 400 || response.status === 401 ? response : await harmless(response, token)
  }
}

/**
 * An error of the endpoint that can be shown: not endless, without the token, and
 * without what moves a terminal.
 * @param {Response} response
 * @param {string} token
 */
async function harmless(response, token) {
  const { text, whole } = await beginning(response, token.length)
  const clean = text.replaceAll(token, '…')
  const shown = (whole ? clean : clean.slice(0, -token.length)) // where half a token may be
    .slice(0, MAX_ERROR)
    .replace(CONTROLS, ' ')
    .replace(ESCAPED, (found) => (found === '\\\\' ? found : ' '))
  const headers = new Headers(response.headers)
  for (const name of ['content-length', 'content-encoding']) headers.delete(name)
  for (const [name, value] of response.headers) {
    if (value.includes(token)) headers.set(name, value.replaceAll(token, '***'))
  }
  return new Response(shown, { status: response.status, statusText: response.statusText, headers })
}

/**
 * The beginning of a body; where that is not the whole, with so many characters more.
 * @param {Response} response
 * @param {number} more
 */
async function beginning(response, more) {
  const reader = response.body?.getReader()
  if (!reader) return { text: '', whole: true }
  const stop = () => void reader.cancel().catch(() => {})
  const timer = setTimeout(stop, ERROR_LIMIT)
  const decoder = new TextDecoder()
  let text = ''
  try {
    while (text.length < MAX_ERROR + more) {
      const { done, value } = await reader.read()
      if (done) return { text, whole: true }
      text += decoder.decode(value, { stream: true })
    }
  } catch {
    return { text, whole: false } // half a reason is better than none
  } finally {
    clearTimeout(timer)
    stop()
  }
  return { text, whole: false }
}

// What can be known of an endpoint before there is a request, which would wait for it: in
// a busy process each address that is parsed takes tens of microseconds.
/** @type {WeakMap<HelperConfig, { origin: string, prefix: string, send: ReturnType<typeof sending> }>} */
const endpoints = new WeakMap()

/** @param {HelperConfig} config */
function endpointOf(config) {
  let endpoint = endpoints.get(config)
  if (!endpoint) {
    const url = new URL(config.baseURL)
    endpoint = { origin: url.origin, prefix: `${bare(config.baseURL)}/`, send: sending(url, config) }
    endpoints.set(config, endpoint)
  }
  return endpoint
}

/**
 * The headers with the token, and with no other Authorization.
 * @param {RequestInit['headers']} headers
 * @param {string} token
 */
function withToken(headers, token) {
  if (headers && Object.getPrototypeOf(headers) !== Object.prototype) {
    const all = new Headers(headers)
    all.set('authorization', bearer(token))
    return all
  }
  /** @type {Record<string, string>} */
  const all = { .../** @type {Record<string, string> | undefined} */ (headers), authorization: bearer(token) }
  for (const name in all) {
    // The length first: each call counts in a busy process.
    if (name.length === 13 && name !== 'authorization' && name.toLowerCase() === 'authorization') delete all[name]
  }
  return all
}

let last = { token: '', value: '' }

/** @param {string} token */
function bearer(token) {
  if (token !== last.token) last = { token, value: `Bearer ${token}` }
  return last.value
}

/** @param {string} url */
function bare(url) {
  return url.replace(/\/+$/, '')
}

/**
 * @param {string | null} location
 * @param {string} target
 * @param {HelperConfig} config
 */
function redirected(location, target, config) {
  const elsewhere = location && URL.canParse(location, target) ? ` to ${new URL(location, target).origin}` : ''
  return new Problem(
    'config',
    `The endpoint ${new URL(target).origin} redirects${elsewhere}; redirects are not followed, so that the token and the prompt stay where they belong.`,
    `Set llm_base_url in ${config.path} to the address that answers itself, or ask who runs the endpoint.`,
  )
}

/**
 * The endpoint's second 401, in words that a person can use.
 * @param {Response} response
 * @param {Pass} pass
 */
async function refused(response, { config, token }) {
  const said = await reason(await harmless(response, token))
  const lines = [
    `The endpoint ${new URL(config.baseURL).origin} refused the token, and a renewed one as well (401).`,
    said && `It says: ${said}`,
    `Check with your administrator that you may use it, and that scope and llm_base_url in ${config.path} are right.`,
  ]
  const message = unretryable(lines.filter(Boolean).join('\n'))
  return Response.json({ error: { message, type: 'authentication_error' } }, { status: 401 })
}

/**
 * What the endpoint gives as its reason, if it is short and meant for people.
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function reason(response) {
  const challenge = response.headers.get('www-authenticate')?.match(/error_description="([^"]*)"/)?.[1]
  /** @type {any} */
  const body = await response.json().catch(() => undefined)
  const said = [body?.error?.message, body?.message, body?.error_description, challenge].find((text) => typeof text === 'string' && text)
  return said?.slice(0, 200) ?? ''
}
