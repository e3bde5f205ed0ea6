import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, inMinutes, loaded, problem, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const signedIn = { result: { text: 'You are signed in.', subject: 'alice', expiresAt: inMinutes(60) } }
const SUCCESS = { type: 'success', provider: 'oci-oidc', key: 'kept-by-opencode-oci-oidc' }

/** @param {object} prompt */
function prompts(prompt) {
  const params = { attempt: 'asked', url: 'http://127.0.0.1:8888/', text: 'Sign in there.', paste: false, ...prompt }
  return {
    notify: [
      { method: 'session/changed', params: {} },
      { method: 'connect/prompt', params },
    ],
  }
}

/**
 * @param {import('node:test').TestContext} t
 * @param {object} actions
 */
async function signIn(t, actions) {
  /** @type {any[]} */
  const toasts = []
  const client = { tui: { showToast: async (/** @type {any} */ { body }) => void toasts.push(body) } }
  const { directory, asked } = script(t, actions)
  const { hooks } = await loaded(t, directory, client)
  const [browser, device] = hooks.auth.methods
  if (!browser || !device) throw new Error('there are two')
  return { hooks, browser, device, toasts, asked, directory }
}

test('the ways to sign in are those that the helper names, from the start', async (t) => {
  const { hooks } = await signIn(t, {})
  assert.deepEqual(
    hooks.auth.methods.map(({ label, prompts }) => [label, prompts]),
    [
      ['With a browser', undefined],
      ['With a code', undefined],
    ],
  )
})

test('a sign-in shows the text of the helper', async (t) => {
  const { browser, asked } = await signIn(t, { connect: [{ ...prompts({}), ...signedIn }] })
  const { url, instructions, method, callback } = await browser.authorize()
  assert.deepEqual([url, instructions, method], ['http://127.0.0.1:8888/', 'Sign in there.', 'auto'])
  assert.deepEqual(await callback(''), SUCCESS)
  const { attempt, ...params } = asked('connect')[0].params
  assert.equal(typeof attempt, 'number')
  assert.deepEqual(params, { flow: 'browser', view: { at: 'elsewhere', rows: params.view.rows } })
})

test('a question of the helper is asked first, and the answer given to it', async (t) => {
  const question = {
    message: 'Trust it?',
    options: [
      { label: 'No', value: 'no' },
      { label: 'Yes', value: 'd1' },
    ],
  }
  const methods = [{ label: 'A', params: { flow: 'device' }, question }]
  const { hooks, asked } = await signIn(t, {
    status: [{ notify: [{ method: 'connect/methods', params: { methods } }], result: 1 }],
    tool: [{ notify: [{ method: 'connect/methods', params: { methods } }], result: { output: 'x' } }],
    connect: [problem('untrusted', 'It was not confirmed.'), signedIn],
  })
  await hooks.tool.oci_oidc_status?.execute({})
  const [method] = hooks.auth.methods
  assert.deepEqual(method?.prompts, [{ type: 'select', key: 'confirm', ...question }])
  const refused = await method?.authorize({ confirm: 'no' })
  assert.deepEqual([refused?.url, refused?.instructions], ['', 'It was not confirmed.'])
  assert.equal((await (await method?.authorize({ confirm: 'd1' }))?.callback(''))?.type, 'success')
  assert.deepEqual(
    asked('connect').map(({ params }) => params.confirm),
    ['no', 'd1'],
  )
})

test('a prompt of another attempt is not shown', async (t) => {
  const late = { method: 'connect/prompt', params: { attempt: -1, url: 'http://late/', text: 'Late.' } }
  const own = prompts({ url: 'http://own/' }).notify
  const { browser } = await signIn(t, { connect: [{ notify: [late, ...own], ...signedIn }] })
  assert.equal((await browser.authorize()).url, 'http://own/')
})

for (const [what, connect, reason] of /** @type {[string, object, RegExp][]} */ ([
  [
    'cannot start',
    problem('port_in_use', 'The port is taken.', { hint: 'End it.' }),
    /^The port is taken\.\nEnd it\.$/,
  ],
  ['finds the helper dead', { exit: 1 }, /ended unexpectedly/],
])) {
  test(`a sign-in that ${what} says why, and is not begun again by itself`, async (t) => {
    const { browser, toasts, asked } = await signIn(t, { connect: [connect, signedIn] })
    const { url, instructions, callback } = await browser.authorize()
    assert.equal(url, '')
    assert.match(instructions, reason)
    assert.deepEqual(await callback(''), { type: 'failed' })
    await eventually(() => toasts.length === 1)
    assert.match(toasts[0]?.message ?? '', reason)
    assert.equal(asked('connect').length, 1)
  })
}

test('a sign-in in whose middle the helper dies fails, and is not begun again by itself', async (t) => {
  const { browser, toasts, asked } = await signIn(t, { connect: [{ ...prompts({}), exit: 1, after: 300 }, signedIn] })
  const { url, callback } = await browser.authorize()
  assert.equal(url, 'http://127.0.0.1:8888/')
  assert.deepEqual(await callback(''), { type: 'failed' })
  await eventually(() => toasts.length === 1)
  assert.match(toasts[0]?.message ?? '', /ended unexpectedly/)
  assert.equal(asked('connect').length, 1)
})

test('a sign-in that is refused on the way says why', async (t) => {
  const refused = problem('login_denied', 'The domain refused: access_denied.', { hint: 'Ask for access.' })
  const { browser, toasts } = await signIn(t, { connect: [{ ...prompts({}), ...refused }] })
  const { callback } = await browser.authorize()
  assert.deepEqual(await callback(''), { type: 'failed' })
  await eventually(() => toasts.length === 1)
  const { variant, message } = toasts[0]
  assert.deepEqual([variant, message], ['error', 'The domain refused: access_denied.\nAsk for access.'])
})

test('a sign-in that another one has replaced ends silently', async (t) => {
  const { browser, toasts } = await signIn(t, {
    connect: [{ ...prompts({}), ...problem('cancelled', 'Another one.') }],
  })
  const { callback } = await browser.authorize()
  assert.deepEqual(await callback(''), { type: 'failed' })
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(toasts, [])
})

test('a sign-in that needs nobody succeeds', async (t) => {
  const { browser } = await signIn(t, { connect: [signedIn] })
  const { url, instructions, callback } = await browser.authorize()
  assert.deepEqual([url, instructions], ['', 'You are signed in.'])
  assert.deepEqual(await callback(''), SUCCESS)
})

test('without a helper, without a client, nothing throws', async (t) => {
  useHelper(t, '/nowhere/oci-oidc-helper')
  const { hooks, provider } = await loaded(t, temporaryDirectory(t))
  assert.equal(provider.options.baseURL, 'http://oci-oidc.invalid/v1')
  assert.equal(Object.keys(provider.models).length, 1)
  assert.equal(hooks.auth.methods.length, 1)
  for (const { authorize } of hooks.auth.methods) {
    const { instructions, callback } = await authorize()
    assert.match(instructions, /\/nowhere\/oci-oidc-helper does not exist/)
    assert.deepEqual(await callback(''), { type: 'failed' })
  }
  await hooks.dispose()
})

test('what is pasted wrong is told, and may be pasted again', async (t) => {
  const { browser, toasts, asked } = await signIn(t, {
    connect: [{ ...prompts({ paste: true }), ...signedIn, after: 1_500 }],
    'connect/answer': [problem('login_denied', 'That is not the answer.', { hint: 'Paste it whole.' }), { result: {} }],
  })
  const { method, instructions, callback } = await browser.authorize()
  assert.deepEqual([method, instructions], ['code', 'Sign in there.'])
  assert.deepEqual(await callback('https://www.example.com/'), { type: 'failed' })
  await eventually(() => toasts.length === 1)
  assert.equal(toasts[0]?.message, 'That is not the answer.\nPaste it whole.')
  assert.deepEqual(await callback('http://localhost:8888/callback?code=x&state=y'), SUCCESS)
  assert.equal(asked('connect/answer')[1].params.redirect, 'http://localhost:8888/callback?code=x&state=y')
})
