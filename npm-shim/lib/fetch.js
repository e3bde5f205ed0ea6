// The fetch of the provider: a token on every request, to the origin of llm_base_url alone.
import { createHash } from 'node:crypto'
import { unretryable } from './messages.js'
import { forOpenCode, Problem } from './problem.js'

/** @typedef {import('./types.js').HelperConfig} HelperConfig */

// The helper limits each of its own steps; this is for one that has gone silent.
const TOKEN_LIMIT = 120_000
const REDIRECTS = [301, 302, 303, 307, 308]

/**
 * @param {import('./helper.js').Helper} helper
 * @param {string} told the base URL that OpenCode was given; the one to use may be known later
 * @returns {import('./types.js').Fetch}
 */
export function createFetch(helper, told) {
  return async (input, init) => {
    const signal = init?.signal ?? (input instanceof Request ? input.signal : undefined)
    try {
      const config = await helper.configuration({ signal })
      const send = sender(input, init, config, told)
      const token = await getToken(helper, signal)
      const response = await send(token)
      if (response.status !== 401) return response
      await response.body?.cancel()
      const renewed = await getToken(helper, signal, token)
      const repeated = await send(renewed)
      return repeated.status === 401 ? await refused(repeated, renewed, config) : repeated
    } catch (error) {
      throw error instanceof Problem ? forOpenCode(error) : error
    }
  }
}

/**
 * @param {import('./helper.js').Helper} helper
 * @param {AbortSignal} [signal]
 * @param {string} [rejected] the token that the endpoint did not take
 * @returns {Promise<string>}
 */
async function getToken(helper, signal, rejected) {
  const params = rejected ? { rejected: fingerprint(rejected) } : {}
  const { accessToken } = await helper.call('getToken', params, { signal, timeout: TOKEN_LIMIT })
  return accessToken
}

/** @param {string} token */
function fingerprint(token) {
  return createHash('sha256').update(token).digest('hex').slice(0, 16)
}

/**
 * A function that sends the request with a token, as often as it is called.
 * @param {string | URL | Request} input
 * @param {RequestInit | undefined} init
 * @param {HelperConfig} config
 * @param {string} told
 */
function sender(input, init, config, told) {
  let target = input instanceof Request ? input.url : String(input)
  if (target.startsWith(`${bare(told)}/`)) target = bare(config.baseURL) + target.slice(bare(told).length)
  const { origin } = new URL(target)
  const allowed = new URL(config.baseURL).origin
  if (origin !== allowed) {
    throw new Problem(
      'config',
      `The request goes to ${origin}, but llm_base_url in ${config.path} is at ${allowed}: the token is sent there and nowhere else.`,
      'Make options.baseURL of the provider in opencode.json agree with llm_base_url, or remove it.',
    )
  }
  const plain = !(input instanceof Request) && (init?.body == null || typeof init.body === 'string')
  const request = plain ? undefined : new Request(input instanceof Request ? new Request(target, input) : target, init)

  return async (/** @type {string} */ token) => {
    const headers = new Headers(request?.headers ?? init?.headers)
    headers.set('authorization', `Bearer ${token}`)
    // A redirect would carry the prompt, and in some runtimes the token, to another place.
    const response = await globalThis.fetch(request?.clone() ?? target, { ...(request ? {} : init), headers, redirect: 'manual' })
    if (response.type === 'opaqueredirect' || REDIRECTS.includes(response.status)) {
      await response.body?.cancel()
      throw redirected(response.headers.get('location'), target, config)
    }
    return response
  }
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
 * @param {string} token
 * @param {HelperConfig} config
 */
async function refused(response, token, config) {
  const said = await reason(response)
  const lines = [
    `The endpoint ${new URL(config.baseURL).origin} refused the token, and a renewed one as well (401).`,
    said && `It says: ${said.replaceAll(token, '…')}`,
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
