import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LABELS, NO_SIGN_IN, PROVIDER, STORED_KEY } from '../lib/messages.js'
import { plugin } from '../lib/plugin.js'
import { configuration, eventually, inMinutes, problem, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')
const signedIn = { result: { subject: 'alice', expiresAt: inMinutes(60) } }

/** @param {Partial<import('../lib/types.js').Prompt>} prompt */
function prompts(prompt) {
  const params = { flow: 'browser', url: 'http://127.0.0.1:8888/', expiresAt: inMinutes(5), browserOpened: true, ...prompt }
  return { notify: [{ method: 'session/changed', params: {} }, { method: 'connect/prompt', params }] }
}

/**
 * @param {import('node:test').TestContext} t
 * @param {string} directory
 */
async function signIn(t, directory) {
  /** @type {import('../lib/types.js').Toast[]} */
  const toasts = []
  const client = { tui: { showToast: async (/** @type {{ body: import('../lib/types.js').Toast }} */ { body }) => void toasts.push(body) } }
  const hooks = await plugin({ directory, client })
  t.after(() => hooks.dispose())
  const method = (/** @type {string} */ label) => /** @type {import('../lib/types.js').AuthMethod} */ (hooks.auth.methods.find((method) => method.label === label))
  return { hooks, browser: method(LABELS.browser), device: method(LABELS.device), paste: method(LABELS.paste), toasts }
}

for (const [what, method, prompt, lines] of /** @type {const} */ ([
  ['a browser that was opened', 'browser', {}, ['A browser window has been opened: sign in there.', /^This sign-in is valid for 5 minutes, until /]],
  ['a browser that was not', 'browser', { browserOpened: false }, ['Open the address in a browser on this computer.', /^This sign-in is valid/]],
  ['a code', 'device', { flow: 'device', userCode: 'WDJB-MJHT' }, ['Code: WDJB-MJHT', 'Open the address on any device and enter the code.', /^This sign-in is valid/]],
])) {
  test(`a sign-in with ${what}`, async (t) => {
    const { directory, asked } = script(t, { config, connect: [{ ...prompts(prompt), ...signedIn }] })
    const methods = await signIn(t, directory)
    const { url, instructions, method: how, callback } = await methods[method].authorize()
    assert.equal(url, 'http://127.0.0.1:8888/')
    assert.equal(how, 'auto')
    const shown = instructions.split('\n')
    assert.equal(shown.length, lines.length)
    lines.forEach((line, i) => (typeof line === 'string' ? assert.equal(shown[i], line) : assert.match(shown[i] ?? '', line)))
    assert.ok(shown.every((line) => line.length <= 56), 'it fits the dialog')
    // What OpenCode copies with the key c.
    assert.equal(instructions.match(/[A-Z0-9]{4}-[A-Z0-9]{4,5}/)?.[0], 'userCode' in prompt ? prompt.userCode : undefined)
    assert.deepEqual(await callback(), { type: 'success', provider: PROVIDER, key: STORED_KEY })
    assert.deepEqual(asked('connect')[0].params, { flow: method })
  })
}

for (const [what, connect, reason] of /** @type {[string, object, RegExp][]} */ ([
  ['cannot start', problem('port_in_use', 'Port 8888 is taken.', { hint: 'End the other program.' }), /^Port 8888 is taken\.\nEnd the other program\.$/],
  ['finds the helper dead', { exit: 1 }, /ended unexpectedly/],
])) {
  test(`a sign-in that ${what} says why`, async (t) => {
    const { directory } = script(t, { config, connect: [connect] })
    const { browser, toasts } = await signIn(t, directory)
    const { url, instructions, callback } = await browser.authorize()
    assert.equal(url, '')
    assert.match(instructions, reason)
    assert.deepEqual(await callback(), { type: 'failed' })
    await eventually(() => toasts.length === 1)
    assert.match(toasts[0]?.message ?? '', reason)
  })
}

test('a sign-in that is refused on the way says why', async (t) => {
  const { directory } = script(t, { config, connect: [{ ...prompts({}), ...problem('login_denied', 'The domain refused: access_denied.', { hint: 'Ask for access.' }) }] })
  const { browser, toasts } = await signIn(t, directory)
  const { callback } = await browser.authorize()
  assert.deepEqual(await callback(), { type: 'failed' })
  await eventually(() => toasts.length === 1)
  assert.deepEqual([toasts[0]?.variant, toasts[0]?.message], ['error', 'The domain refused: access_denied.\nAsk for access.'])
})

test('a new sign-in ends the one before, silently', async (t) => {
  const { directory, asked } = script(t, { config, connect: [prompts({}), { ...prompts({ url: 'http://127.0.0.1:9999/' }), ...signedIn }] })
  const { browser, device, toasts } = await signIn(t, directory)
  const first = await browser.authorize()
  const waiting = first.callback()
  const second = await device.authorize()
  assert.equal(second.url, 'http://127.0.0.1:9999/')
  assert.deepEqual(await waiting, { type: 'failed' })
  assert.deepEqual(await second.callback(), { type: 'success', provider: PROVIDER, key: STORED_KEY })
  assert.equal(asked('$/cancelRequest').length, 1)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  assert.deepEqual(toasts, [])
})

test('a helper that never ends a sign-in is not waited for for ever', async (t) => {
  const { directory, asked } = script(t, { config, connect: [prompts({ expiresAt: inMinutes(-0.499) })] })
  const { browser } = await signIn(t, directory)
  const { callback } = await browser.authorize()
  assert.deepEqual(await callback(), { type: 'failed' })
  await eventually(() => asked('$/cancelRequest').length === 1)
})

test('a sign-in that needs nobody succeeds', async (t) => {
  const { directory } = script(t, { config, connect: [signedIn] })
  const { browser } = await signIn(t, directory)
  const { url, callback } = await browser.authorize()
  assert.equal(url, '')
  assert.equal((await callback()).type, 'success')
})

test('without a helper, without a client, nothing throws', async (t) => {
  useHelper(t, '/nowhere/oci-oidc-helper')
  const hooks = await plugin({ directory: temporaryDirectory(t) })
  await hooks.config({})
  for (const { authorize } of hooks.auth.methods) {
    const { instructions, callback } = await authorize()
    assert.match(instructions, /\/nowhere\/oci-oidc-helper does not exist/)
    assert.deepEqual(await callback(), { type: 'failed' })
  }
  await hooks.dispose()
})

for (const [flows, expected] of /** @type {[string[] | undefined, string[]][]} */ ([
  [undefined, [LABELS.browser, LABELS.device, LABELS.paste]],
  [['device', 'paste', 'browser'], [LABELS.device, LABELS.paste, LABELS.browser]],
  [['device', 'of tomorrow'], [LABELS.device]],
  [[], [NO_SIGN_IN]],
])) {
  test(`of the flows ${flows} these are offered: ${expected}`, async (t) => {
    const { directory } = script(t, { config: { ...config, flows } })
    const { hooks } = await signIn(t, directory)
    await hooks.config({})
    assert.deepEqual(hooks.auth.methods.map(({ label }) => label), expected)
  })
}

test('where nobody signs in, the helper only connects', async (t) => {
  const { directory, asked } = script(t, { config: { ...config, flows: [] }, connect: [signedIn] })
  const { hooks } = await signIn(t, directory)
  await hooks.config({})
  const authorization = await hooks.auth.methods[0]?.authorize()
  assert.equal((await authorization?.callback())?.type, 'success')
  assert.deepEqual(asked('connect')[0].params, {})
})

test('what is pasted wrong is told, and may be pasted again', async (t) => {
  const { directory, asked } = script(t, {
    config,
    connect: [{ ...prompts({ flow: 'paste', browserOpened: false }), ...signedIn, after: 500 }],
    'connect/answer': [problem('login_denied', 'The pasted address is not the answer to this sign-in.', { hint: 'Paste the whole address.' }), { result: {} }],
  })
  const { paste, toasts } = await signIn(t, directory)
  const { method, instructions, callback } = await paste.authorize()
  assert.equal(method, 'code')
  assert.match(instructions, /^This sign-in is valid for/m)
  assert.deepEqual(await callback('https://www.example.com/'), { type: 'failed' })
  await eventually(() => toasts.length === 1)
  assert.equal(toasts[0]?.message, 'The pasted address is not the answer to this sign-in.\nPaste the whole address.')
  assert.deepEqual(await callback('http://localhost:8888/callback?code=x&state=y'), { type: 'success', provider: PROVIDER, key: STORED_KEY })
  assert.deepEqual(asked('connect/answer').map(({ params }) => params.redirect), ['https://www.example.com/', 'http://localhost:8888/callback?code=x&state=y'])
})
