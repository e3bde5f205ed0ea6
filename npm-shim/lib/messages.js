// The names and the sentences that people read, and what OpenCode makes of a sentence.

export const PROVIDER = 'oci-oidc'
// Distinct from "OCI Generative AI" in OpenCode's catalogue.
export const PROVIDER_NAME = 'Company models (OCI identity domain)'

// OpenCode wants a base URL before anything is known; `.invalid` never resolves (RFC 6761).
export const PLACEHOLDER_BASE_URL = 'http://oci-oidc.invalid/v1'

// OpenCode lists no provider without a model, not even in /connect.
export const UNKNOWN_MODEL = { 'sign-in-first': { name: 'Sign in with /connect' } }

// What auth.json holds after a sign-in: OpenCode wants a key, the token stays with the helper.
export const STORED_KEY = 'kept-by-opencode-oci-oidc'

export const LABELS = {
  browser: 'Sign in with a browser',
  device: 'Sign in with a code on another device',
  paste: 'Sign in elsewhere and paste the redirect URL',
}

// Where nobody signs in, OpenCode still wants something to choose.
export const NO_SIGN_IN = 'Check the connection: no sign-in is needed'


// The first sentence is the helper's own for the same.
export const SIGN_IN = `You are not signed in, or your session has ended.\nRun /connect and choose "${PROVIDER_NAME}", or run "opencode auth login -p ${PROVIDER}" in a terminal.`

// Text that should be retried says so, in words that OpenCode looks for.
export const PASSING = 'This usually passes: try again in a moment.'

// What makes OpenCode 1.18 retry, wherever it stands in the text of an error: it
// goes by words, not by the kind of the error, so "port 15003" counts as a 500.
const RETRIED = new RegExp(
  [
    '429|500|502|503|504|524',
    'rate increased too quickly|rate[- _]limit|too[ _]many[ _]requests',
    'overloaded|unavailable|exhausted|internal[ _]error|(?:internal )?server[- _]error|provider[- _]returned[- _]error',
    'terminated|fetch failed|failed to fetch|network[-_\\s]error|upstream connect',
    'connection (?:error|refused|lost)|socket connection was closed|socket hang up|reset before headers',
    'getaddrinfo|enotfound|eai_again|econnrefused|econnreset|etimedout',
    '^timeout$|\\b(?:request|response|connection|network|stream|read) (?:timeout|timed out|time out)\\b',
    '(?:re)?try your request(?: again)?',
    '\\btry again (?:later|in\\b)|\\b(?:currently|temporarily) at capacity\\b',
  ].join('|'),
  'gi',
)

const WORD_JOINER = '\u2060'

/**
 * The same text to the eye, with an invisible character in whatever would make
 * OpenCode retry.
 * @param {string} text
 */
export function unretryable(text) {
  for (;;) {
    const next = text.replace(RETRIED, (match) => match[0] + WORD_JOINER + match.slice(1))
    if (next === text) return text
    text = next
  }
}

/** @param {string} time RFC 3339 */
export function validUntil(time, now = Date.now()) {
  const end = Date.parse(time)
  if (Number.isNaN(end)) return 'until an unknown time'
  if (end <= now) return `ended at ${clock(end, now)}`
  return `valid for ${inWords(end - now)}, until ${clock(end, now)}`
}

/** @param {number} milliseconds */
function inWords(milliseconds) {
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 1) return 'less than a minute'
  if (minutes < 60) return count(minutes, 'minute')
  const hours = Math.floor(minutes / 60)
  const rest = minutes % 60 ? ` ${count(minutes % 60, 'minute')}` : ''
  if (hours < 24) return count(hours, 'hour') + rest
  return count(Math.round(hours / 24), 'day')
}

/**
 * @param {number} n
 * @param {string} unit
 */
function count(n, unit) {
  return `${n} ${unit}${n === 1 ? '' : 's'}`
}

/**
 * Local time, with the day when it could be mistaken.
 * @param {number} time
 * @param {number} now
 */
function clock(time, now) {
  const date = new Date(time)
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0')
  const hour = `${two(date.getHours())}:${two(date.getMinutes())}`
  if (Math.abs(time - now) < 12 * 3_600_000) return hour
  return `${hour} on ${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}
