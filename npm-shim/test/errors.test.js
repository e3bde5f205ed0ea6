import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requests } from '../hosts/v2/requests.js'
import { signIn } from '../hosts/v2/sign-in.js'
import { tools } from '../hosts/v2/tools.js'
import { namedProviderAuthError, retriedMark, retriedText } from '../testing/opencode.js'
import { BASE_URL, loaded, problem, script, scriptedHelper, temporaryDirectory, useHelper } from '../testing/setup.js'

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

// Whatever the helper puts into a text: paths, ports, codes, what a domain or an endpoint said.
const HOSTILE = [
  'a\u2060b\u200bc\u202ed\u00ade\u{e0041}f\x1b[2Jg\u115fh',
  '/home/e5\u2060021234/\u200f\u2066.secrets\u2069/client\ufeff-secret',
  'http://localhost:5\u2060000/callback',
  'ORA\u0000-01017\r\u2028\u2029\x7f\x9b31m ECID 5\u206003',
  'half of a pair \ud83d, private \ue000, unassigned \u0378',
]
const KINDS = [
  ...['login_required', 'login_denied', 'login_timeout', 'config', 'untrusted', 'network', 'tls', 'throttled'],
  ...['domain', 'port_in_use', 'store', 'cancelled', 'internal', undefined],
]

/** @param {unknown} text */
function seen(text) {
  assert.equal(typeof text, 'string')
  assert.notEqual(text, '')
  assert.doesNotMatch(String(text), INVISIBLE)
}

for (const [i, hidden] of HOSTILE.entries()) {
  const all = KINDS.flatMap((kind) =>
    [false, true].map((retryable) => {
      const action = problem(/** @type {any} */ (kind), `${hidden}.`, { hint: hidden, retryable })
      Object.assign(action.error.data, { brief: hidden })
      return action
    }),
  )
  const actions = { getToken: all, connect: all, guard: [...all, { result: { deny: hidden } }] }
  const rejection = (/** @type {unknown} */ promise) =>
    Promise.resolve(promise).then(
      () => assert.fail('nothing was thrown'),
      (/** @type {any} */ error) => error.message,
    )

  test(`OpenCode 1 is thrown no character that nobody sees, of hostile text ${i + 1}`, async (t) => {
    const { directory } = script(t, { ...actions, lend: [{}] })
    const { provider, hooks } = await loaded(t, directory)
    for (const _ of all) {
      seen(await rejection(provider.options.fetch(`${provider.options.baseURL}/models`)))
      seen((await hooks.auth.methods[0]?.authorize())?.instructions)
    }
    for (const _ of actions.guard) {
      seen(await rejection(hooks['tool.execute.before']({ tool: 'read' }, { args: { filePath: hidden } })))
    }
  })

  test(`OpenCode 2 is thrown no character that nobody sees, of hostile text ${i + 1}`, async (t) => {
    const { helper, directory } = scriptedHelper(t, { ...actions, lend: [{}] })
    /** @type {Record<string, any>} */
    const given = {}
    const hook = async (/** @type {string} */ name, /** @type {any} */ callback) => {
      given[name] = callback
    }
    const part = { hook, transform: (/** @type {any} */ change) => hook('transform', change) }
    /** @type {any} */
    const ctx = { session: part, tool: part, permission: part, shell: part, integration: part, location: { directory } }
    ctx.event = { async *subscribe() {} }
    const info = { id: 'oci-oidc', name: 'Company', settings: { baseURL: BASE_URL } }
    /** @type {any} */
    const configuration = {
      now: { providers: [{ info }], methods: [{ params: { flow: 'browser' } }], tools: [], secrets: [] },
    }
    const end = new AbortController()
    t.after(() => end.abort())
    await requests(ctx, helper, configuration)
    await tools(ctx, helper, configuration)
    await signIn(ctx, helper, configuration, end.signal)
    /** @type {any} */
    let method
    given.transform({ update() {}, method: { update: (/** @type {any} */ registered) => (method = registered) } })
    for (const _ of all) {
      /** @type {any} */
      const event = { model: { providerID: info.id }, request: new Request(`${BASE_URL}/models`) }
      await given['http.request'](event)
      await given['http.response'](event)
      seen((await event.response.json()).error.message)
      seen(await rejection((await method.authorize()).callback))
    }
    for (const _ of actions.guard) {
      seen(await rejection(given['execute.before']({ tool: 'read', input: { path: hidden } })))
    }
    const event = { action: 'read', resources: [hidden], message: '' }
    await given.evaluate(event)
    seen(event.message)
  })
}

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
