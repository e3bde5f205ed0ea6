// What OpenCode does with the error of a fetch, copied from the versions that are claimed.

const PATTERNS = [
  /429|500|502|503|504|524/i,
  /rate increased too quickly|rate limit|rate-limit|rate_limit|too many requests/i,
  /overloaded|service unavailable|service_unavailable|service-unavailable|internal error|internal_error|internal server error|server error|server_error|server-error|provider returned error|provider_returned_error|provider-returned-error/i,
  /terminated|fetch failed|failed to fetch|network[-_\s]error|upstream connect|connection error|connection refused|connection lost|socket connection was closed|socket hang up|reset before headers|getaddrinfo|enotfound|eai_again|econnrefused|econnreset|etimedout/i,
  /^timeout$|\b(?:request|response|connection|network|stream|read) (?:timeout|timed out|time out)\b/i,
  /try your request again|retry your request|resource exhausted|resource_exhausted/i,
  /\btry again (?:later|in\b)|\b(?:currently|temporarily) at capacity\b/i,
]
const WORDS = ['too_many_requests', 'exhausted', 'unavailable']

/**
 * Whether 1.18.33 retries because of this text.
 * @param {string} text
 */
export function retriedText(text) {
  return WORDS.some((word) => text.toLowerCase().includes(word)) || PATTERNS.some((pattern) => pattern.test(text))
}

/**
 * Whether 1.2.20 and 1.14.41 retry: they go by the mark of the error.
 * @param {any} error
 */
export function retriedMark(error) {
  return error[Symbol.for('vercel.ai.error.AI_APICallError')] === true && error.isRetryable === true
}

/** @param {any} error */
export function namedProviderAuthError(error) {
  return error[Symbol.for('vercel.ai.error.AI_LoadAPIKeyError')] === true
}
