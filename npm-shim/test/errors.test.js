import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namedProviderAuthError, retriedMark, retriedText } from '../testing/opencode.js'
import { loaded, problem, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const BRIEF = 'Something has to be corrected. The details are in "oci-oidc-helper status".'
const INVISIBLE = /[^\P{C}\n]|\p{DI}/u

/**
 * What OpenCode is thrown for a problem of the helper.
 * @param {import('node:test').TestContext} t
 * @param {any} action
 */
async function thrownFor(t, action) {
  const { directory } = script(t, { getToken: [action] })
  const { provider } = await loaded(t, directory)
  return provider.options.fetch(`${provider.options.baseURL}/models`).then(
    () => assert.fail(),
    (/** @type {any} */ error) => error,
  )
}

/**
 * @param {string} message
 * @param {{ retryable?: boolean, hint?: string }} [more]
 */
function told(message, more) {
  const action = problem('config', message, more)
  Object.assign(action.error.data, { brief: BRIEF })
  return action
}

for (const text of [
  'Port 15003 is taken.',
  '5000503 429',
  'Look at /home/e5021234/503/log.',
  'The service is temporarily unavailable; try again later.',
  'timeout',
  'Request timed out: fetch failed, ECONNREFUSED, getaddrinfo ENOTFOUND idcs.example.com',
  'rate limit, rate-limit, rate_limit, Too Many Requests, TOO_MANY_REQUESTS',
  'Overloaded. Internal server error. server_error. provider-returned-error',
  'RESOURCE_EXHAUSTED, at capacity, currently at capacity, try your request again',
  'socket hang up, terminated, upstream connect error or reset before headers, network_error',
]) {
  test(`a problem that stays is not retried by its words: ${text}`, async (t) => {
    assert.equal(retriedText(text), true)
    const error = await thrownFor(t, told(text))
    assert.equal(error.message, BRIEF)
    assert.deepEqual(
      [retriedText(error.message), retriedMark(error), namedProviderAuthError(error)],
      [false, false, true],
    )
  })
}

test('a problem that passes is retried by every version', async (t) => {
  const error = await thrownFor(
    t,
    told('The domain could not be reached.', { hint: 'Check the proxy.', retryable: true }),
  )
  assert.match(error.message, /^The domain could not be reached\.\nCheck the proxy\.\n/)
  assert.deepEqual([retriedText(error.message), retriedMark(error), namedProviderAuthError(error)], [true, true, false])
})

test('an ordinary sentence stays as it is', async (t) => {
  const text = 'No configuration was found at /home/me/.config/opencode/oci-auth.config.jsonc.'
  assert.equal((await thrownFor(t, told(text))).message, text)
})

test('no text holds a character that nobody sees', async (t) => {
  const hidden = 'a\u2060b\u200bc\u202ed\u00ade\u{e0041}f\x1b[2Jg\u115fh'
  for (const retryable of [false, true]) {
    const { message } = await thrownFor(t, told(`${hidden}.`, { hint: hidden, retryable }))
    assert.doesNotMatch(message, INVISIBLE)
    assert.match(message, /^a\?b\?c\?d\?e\?f\?\[2Jg\?h\./)
  }
})

for (const path of [
  '/nowhere/e5021234/helper',
  '/nowhere/port:15003/terminated',
  '/nowhere/\u2060\u202e/helper',
  '/nowhere/plain',
]) {
  test(`the helper's program is missing, at ${JSON.stringify(path)}`, async (t) => {
    useHelper(t, path)
    const { provider, hooks } = await loaded(t, temporaryDirectory(t))
    const error = await provider.options
      .fetch(`${provider.options.baseURL}/models`)
      .catch((/** @type {any} */ error) => error)
    assert.deepEqual(
      [retriedText(error.message), retriedMark(error), namedProviderAuthError(error)],
      [false, false, true],
    )
    assert.doesNotMatch(error.message, INVISIBLE)
    if (retriedText(path)) assert.match(error.message, /\/connect.*"oci-oidc-helper status"/)
    const { instructions } = (await hooks.auth.methods[0]?.authorize()) ?? {}
    assert.match(instructions ?? '', /does not exist/)
    assert.doesNotMatch(instructions ?? '', INVISIBLE)
  })
}
