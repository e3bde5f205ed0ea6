import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SIGN_IN, unretryable, validUntil } from '../lib/messages.js'
import { forOpenCode, Problem } from '../lib/problem.js'
import { namedProviderAuthError, retriedMark, retriedText } from '../testing/opencode.js'

test('the text that asks for a sign-in is never retried', () => {
  assert.equal(retriedText(SIGN_IN), false)
  const error = forOpenCode(new Problem('login_required', 'Port 15003 is unavailable.', 'try again later', true))
  assert.equal(error.message, SIGN_IN)
  assert.equal(namedProviderAuthError(error), true)
  assert.equal(retriedMark(error), false)
})

test('a problem that passes is retried by every version', () => {
  const error = forOpenCode(new Problem('network', 'The domain could not be reached.', 'Check the proxy.', true))
  assert.equal(retriedText(error.message), true)
  assert.equal(retriedMark(error), true)
  assert.match(error.message, /could not be reached.*\nCheck the proxy/)
})

for (const text of [
  'Port 15003 is taken.',
  '5000503 429',
  'Look at /home/me/503/log.',
  'The service is temporarily unavailable; try again later.',
  'timeout',
  'Request timed out: fetch failed, ECONNREFUSED, getaddrinfo ENOTFOUND idcs.example.com',
  'rate limit, rate-limit, rate_limit, Too Many Requests, TOO_MANY_REQUESTS',
  'Overloaded. Internal server error. server_error. provider-returned-error',
  'RESOURCE_EXHAUSTED, at capacity, currently at capacity, try your request again',
  'socket hang up, terminated, upstream connect error or reset before headers, network_error',
]) {
  test(`a problem that stays is not retried: ${text}`, () => {
    const error = forOpenCode(new Problem('config', text, text))
    assert.equal(retriedText(text) && !retriedText(error.message), true)
    assert.equal(retriedMark(error), false)
    assert.equal(error.message.replaceAll('\u2060', ''), `${text}\n${text}`, 'the words are the same to the eye')
  })
}

test('an ordinary sentence stays as it is', () => {
  const text = 'No configuration was found at /home/me/.config/opencode/oci-auth.config.jsonc.'
  assert.equal(unretryable(text), text)
})

const now = new Date(2026, 10, 23, 14, 5).getTime()
for (const [seconds, expected] of /** @type {const} */ ([
  [-60, 'ended at 14:04'],
  [20, 'valid for less than a minute, until 14:05'],
  [60, 'valid for 1 minute, until 14:06'],
  [38 * 60, 'valid for 38 minutes, until 14:43'],
  [65 * 60, 'valid for 1 hour 5 minutes, until 15:10'],
  [10 * 3600, 'valid for 10 hours, until 00:05'],
  [13 * 3600, 'valid for 13 hours, until 03:05 on 2026-11-24'],
  [7 * 86400, 'valid for 7 days, until 14:05 on 2026-11-30'],
])) {
  test(`a time in ${seconds} s reads "${expected}"`, () => {
    assert.equal(validUntil(new Date(now + seconds * 1000).toISOString(), now), expected)
  })
}
