// What the endpoint answers, as OpenCode may have it: no redirect, no error that is endless
// or holds the token, and a refusal in words that a person can use.
import { unretryable } from './messages.js'
import { explained, refusedByProxy } from './network.js'
import { Problem } from './problem.js'

const REDIRECTS = [301, 302, 303, 307, 308]

// What is read of an error, in characters and in milliseconds.
const MAX_ERROR = 64 << 10
const ERROR_LIMIT = 10_000

// What moves a terminal or turns a line around, as it is or as JSON writes it.
const CONTROLS = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g
const ESCAPED = /\\(?:\\|u00(?:0[0-8bcef]|1[\da-f]|7f|[89][\da-f])|u20(?:2[a-e]|6[6-9]))/gi

/**
 * The answer to a request, whatever its status. Its error is a problem, or one that may
 * pass.
 * @param {Promise<Response>} sent
 * @param {import('./types.js').Pass} pass with which it was sent
 * @returns {Promise<Response>}
 */
export async function answered(sent, { config, token }) {
  const response = await sent.catch((error) => {
    throw explained(error, config)
  })
  if (response.type === 'opaqueredirect' || REDIRECTS.includes(response.status)) {
    await response.body?.cancel()
    throw redirected(response.headers.get('location'), config)
  }
  if (response.status === 407) {
    await response.body?.cancel()
    throw refusedByProxy(config)
  }
  return response.status < 400 || response.status === 401 ? response : harmless(response, token)
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

/**
 * @param {string | null} location
 * @param {import('./types.js').HelperConfig} config
 */
function redirected(location, { baseURL, path }) {
  const elsewhere = location && URL.canParse(location, baseURL) ? ` to ${new URL(location, baseURL).origin}` : ''
  return new Problem(
    'config',
    `The endpoint ${new URL(baseURL).origin} redirects${elsewhere}; redirects are not followed, so that the token and the prompt stay where they belong.`,
    `Set llm_base_url in ${path} to the address that answers itself, or ask who runs the endpoint.`,
  )
}

/**
 * The endpoint's second 401, in words that a person can use.
 * @param {Response} response
 * @param {import('./types.js').Pass} pass
 */
export async function refused(response, { config, token }) {
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
