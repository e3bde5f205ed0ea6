import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFetch } from '../lib/fetch.js'
import { PLACEHOLDER_BASE_URL, SIGN_IN } from '../lib/messages.js'
import { namedProviderAuthError, retriedMark, retriedText } from '../testing/opencode.js'
import { configuration, eventually, problem, scriptedHelper, serve, temporaryDirectory, token } from '../testing/setup.js'

const POST = { method: 'POST', headers: { Authorization: 'Bearer placeholder', 'Content-Type': 'application/json' }, body: '{"prompt":"hi"}' }

/**
 * @param {import('node:test').TestContext} t
 * @param {object} actions
 * @param {(token: string, response: import('node:http').ServerResponse) => void} answer
 */
async function endpoint(t, actions, answer) {
  const server = await serve(t, (request, response) => answer(request.headers.authorization?.replace('Bearer ', '') ?? '', response))
  const { helper, asked } = scriptedHelper(t, { config: configuration(`${server.origin}/v1`), ...actions })
  return { ...server, asked, fetch: createFetch(helper, PLACEHOLDER_BASE_URL), url: `${server.origin}/v1/chat/completions` }
}

/** @param {string[]} good */
function accept(...good) {
  return (/** @type {string} */ given, /** @type {import('node:http').ServerResponse} */ response) =>
    good.includes(given) ? response.end('answer') : response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end(`no: ${given}`)
}

test('the token replaces whatever authorization there was', async (t) => {
  const { fetch, url, requests } = await endpoint(t, { getToken: [token('T1')] }, accept('T1'))
  const response = await fetch(url, POST)
  assert.equal(await response.text(), 'answer')
  assert.equal(requests[0]?.headers.authorization, 'Bearer T1')
  assert.equal(requests[0]?.headers['content-type'], 'application/json')
  assert.equal(requests[0]?.body, '{"prompt":"hi"}')
})

/** @type {[string, (url: string) => [string | URL | Request, RequestInit?]][]} */
const forms = [
  ['a string', (url) => [url, POST]],
  ['a URL', (url) => [new URL(url), POST]],
  ['a Request', (url) => [new Request(url, POST)]],
  ['a stream', (url) => [url, /** @type {any} */ ({ ...POST, body: new Blob([POST.body]).stream(), duplex: 'half' })]],
  ['the placeholder', () => [`${PLACEHOLDER_BASE_URL}/chat/completions`, POST]],
]
for (const [form, call] of forms) {
  test(`a 401 is repeated once with a renewed token: ${form}`, async (t) => {
    const { fetch, url, requests, asked } = await endpoint(t, { getToken: [token('T1'), token('T2')] }, accept('T2'))
    const response = await fetch(...call(url))
    assert.equal(response.status, 200)
    assert.deepEqual(requests.map(({ method, url, headers, body }) => [method, url, headers.authorization, body]), [
      ['POST', '/v1/chat/completions', 'Bearer T1', POST.body],
      ['POST', '/v1/chat/completions', 'Bearer T2', POST.body],
    ])
    const rejected = createHash('sha256').update('T1').digest('hex').slice(0, 16)
    assert.deepEqual(asked('getToken').map(({ params }) => params), [{}, { rejected }])
  })
}

test('a second 401 is handed on with a text that helps', async (t) => {
  const { fetch, url, requests } = await endpoint(t, { getToken: [token('T1'), token('T2')] }, (given, response) => {
    response.writeHead(401, { 'content-type': 'application/json' }).end(JSON.stringify({ code: 'NotAuthenticated', message: `Token ${given}: rate limit, 503` }))
  })
  const response = await fetch(url, POST)
  assert.equal(response.status, 401)
  const text = await response.text()
  const { error } = JSON.parse(text)
  assert.match(error.message, /refused the token, and a renewed one as well/)
  assert.match(error.message, /It says: Token …: /)
  assert.match(error.message, /scope and llm_base_url in .*oci-auth\.config\.jsonc/)
  assert.equal(retriedText(text), false)
  assert.equal(requests.length, 2)
})

for (const status of [200, 400, 403, 404, 429, 500]) {
  test(`a ${status} is handed on as it is`, async (t) => {
    const { fetch, url, requests } = await endpoint(t, { getToken: [token('T1')] }, (_, response) => response.writeHead(status, { 'retry-after': '7' }).end('body'))
    const response = await fetch(url, POST)
    assert.deepEqual([response.status, response.headers.get('retry-after'), await response.text(), requests.length], [status, '7', 'body', 1])
  })
}

test('what an endpoint says of an error is cut, and neither echoes the token nor moves a terminal', async (t) => {
  const secret = `eyJ.${'t'.repeat(300)}`
  for (const [says, told] of /** @type {[string, string][]} */ ([
    [JSON.stringify({ error: { message: `no \u001b[2J\u009b ${secret} \\u001b` } }), JSON.stringify({ error: { message: 'no  [2J  … \\u001b' } })],
    [`\x1b]0;owned\x07${secret}\u202e`, ' ]0;owned …'],
    ['x'.repeat(1 << 20) + secret, 'x'.repeat(64 << 10)],
    ['x'.repeat((64 << 10) - 1) + secret, `${'x'.repeat((64 << 10) - 1)}…`],
  ])) {
    const { fetch, url } = await endpoint(t, { getToken: [token(secret)] }, (_, response) => response.writeHead(500, { 'x-echo': secret }).end(says))
    const response = await fetch(url, POST)
    const text = await response.text()
    assert.equal(text.trim(), told.trim())
    assert.equal(response.headers.get('x-echo'), '***')
  }
})

test('an error without an end is cut', async (t) => {
  const { fetch, url } = await endpoint(t, { getToken: [token('T1')] }, (_, response) => {
    response.writeHead(400)
    const more = setInterval(() => response.write('x'.repeat(10_000)), 1)
    response.on('close', () => clearInterval(more))
  })
  const response = await fetch(url, POST)
  assert.equal((await response.text()).length, 64 << 10)
})

for (const status of [301, 302, 303, 307, 308]) {
  test(`a ${status} is not followed`, async (t) => {
    const elsewhere = await serve(t, (_, response) => response.end())
    const { fetch, url } = await endpoint(t, { getToken: [token('T1')] }, (_, response) => response.writeHead(status, { location: `${elsewhere.origin}/login` }).end())
    await assert.rejects(fetch(url, POST), (error) => {
      assert.match(String(error), /redirects to http:\/\/127/)
      assert.equal(retriedText(String(error)), false)
      return namedProviderAuthError(error)
    })
    assert.equal(elsewhere.requests.length, 0)
  })
}

test('the token goes to the origin of llm_base_url and nowhere else', async (t) => {
  const elsewhere = await serve(t, (_, response) => response.end())
  const { fetch, asked } = await endpoint(t, { getToken: [token('T1')] }, accept('T1'))
  await assert.rejects(fetch(`${elsewhere.origin}/v1/chat/completions`, POST), /llm_base_url in .* is at http/)
  assert.equal(elsewhere.requests.length, 0)
  assert.equal(asked('getToken').length, 0)
})

for (const [what, action, expected] of /** @type {const} */ ([
  ['login_required', problem('login_required', 'The session ended.', { hint: 'Sign in.' }), { message: SIGN_IN, retried: false }],
  ['login_required that calls itself passing', problem('login_required', 'The session ended.', { retryable: true }), { message: SIGN_IN, retried: false }],
  ['config', problem('config', 'client_id is missing in /p/503.', { hint: 'Add it.' }), { message: 'client_id is missing in /p/503.\nAdd it.', retried: false }],
  ['domain', problem('domain', 'The domain said no: server_error.'), { message: 'The domain said no: server_error.', retried: false }],
  ['tls', problem('tls', 'The certificate was not accepted.'), { message: 'The certificate was not accepted.', retried: false }],
  ['network', problem('network', 'No way to the domain.', { retryable: true }), { message: /^No way to the domain\.\n.*try again in/, retried: true }],
  ['throttled', problem('throttled', 'The domain is busy.', { retryable: true }), { message: /^The domain is busy\.\n.*try again in/, retried: true }],
  ['an unknown method', { error: { code: -32601, message: 'method not found' } }, { message: 'method not found', retried: false }],
])) {
  test(`${what}: one question, no request, the right retries`, async (t) => {
    const { fetch, url, requests, asked } = await endpoint(t, { getToken: [action] }, accept('T1'))
    const error = await fetch(url, POST).then(() => assert.fail(), (error) => error)
    const message = error.message.replaceAll('\u2060', '')
    if (typeof expected.message === 'string') assert.equal(message, expected.message)
    else assert.match(message, expected.message)
    assert.equal(retriedText(error.message), expected.retried)
    assert.equal(retriedMark(error), expected.retried)
    assert.equal(namedProviderAuthError(error), !expected.retried)
    assert.equal(asked('getToken').length, 1)
    assert.equal(requests.length, 0)
  })
}

test('an abort while waiting for the token cancels the question', async (t) => {
  const { fetch, url, requests, asked } = await endpoint(t, { getToken: [{}] }, accept('T1'))
  const abort = new AbortController()
  const call = fetch(url, { ...POST, signal: abort.signal })
  await eventually(() => asked('getToken').length === 1)
  abort.abort()
  await assert.rejects(call, { name: 'AbortError' })
  await eventually(() => asked('$/cancelRequest').length === 1)
  assert.equal(requests.length, 0)
})

test('an abort while the endpoint answers reaches the endpoint', async (t) => {
  const abort = new AbortController()
  const { fetch, url } = await endpoint(t, { getToken: [token('T1')] }, () => abort.abort())
  await assert.rejects(fetch(url, { ...POST, signal: abort.signal }), { name: 'AbortError' })
})

test('a missing configuration is told, and found once it is written', async (t) => {
  const server = await serve(t, (_, response) => response.end('answer'))
  const hello = { protocol: 1, helper: { version: '0', platform: 'fake' } }
  const { helper } = scriptedHelper(t, {
    initialize: [
      { result: { ...hello, problem: { kind: 'config', message: 'No configuration in /p and /home.', hint: 'Write one.' } } },
      { result: { ...hello, problem: { kind: 'config', message: 'No configuration in /p and /home.', hint: 'Write one.' } } },
      { result: { ...hello, config: configuration(`${server.origin}/v1`) } },
    ],
    getToken: [token('T1')],
  })
  const fetch = createFetch(helper, PLACEHOLDER_BASE_URL)
  await assert.rejects(fetch(`${PLACEHOLDER_BASE_URL}/models`), /No configuration in \/p and \/home\.\nWrite one\./)
  assert.equal(await (await fetch(`${PLACEHOLDER_BASE_URL}/models`)).text(), 'answer')
  assert.equal(server.requests[0]?.url, '/v1/models')
})

test('an endpoint that moved is followed where the configuration says', async (t) => {
  const server = await serve(t, (_, response) => response.end('answer'))
  const { helper } = scriptedHelper(t, { config: configuration(`${server.origin}/v2/`), getToken: [token('T1')] })
  const fetch = createFetch(helper, 'https://llm.example.com/v1/')
  assert.equal(await (await fetch('https://llm.example.com/v1/models?x=1')).text(), 'answer')
  assert.equal(server.requests[0]?.url, '/v2/models?x=1')
  await assert.rejects(fetch('https://llm.example.com/v10/models'), /the token is sent there and nowhere else/)
})

test('CAs that are not the confirmed ones are not used', async (t) => {
  const calls = t.mock.method(globalThis, 'fetch', async () => new Response())
  const caFile = join(temporaryDirectory(t), 'ca.pem')
  const content = '-----BEGIN CERTIFICATE-----\none'
  const config = { ...configuration('https://llm.example.com/v1'), caFile, caSum: createHash('sha256').update(content).digest('hex') }
  const { helper, asked } = scriptedHelper(t, { config, getToken: [token('T1')] })
  const ask = () => createFetch(helper, 'https://llm.example.com/v1')('https://llm.example.com/v1/models')
  writeFileSync(caFile, content)
  await ask()
  assert.equal(calls.mock.callCount(), 1)
  writeFileSync(caFile, content + ' more')
  await assert.rejects(ask(), /ca_file names .*, which is not what was confirmed/)
  assert.equal(calls.mock.callCount(), 1)
  await eventually(() => asked('initialize').length === 2)
})

test('certificates are checked whatever the environment says', async (t) => {
  const calls = t.mock.method(globalThis, 'fetch', async () => new Response())
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  const { helper } = scriptedHelper(t, { config: configuration('https://llm.example.com/v1'), getToken: [token('T1')] })
  // This is Node; in OpenCode's own runtime they are checked, and the request is made.
  await assert.rejects(createFetch(helper, 'https://llm.example.com/v1')('https://llm.example.com/v1/models'), /NODE_TLS_REJECT_UNAUTHORIZED is set/)
  assert.equal(calls.mock.callCount(), 0)
})

test('where OpenCode was given no model, nothing is asked of the endpoint', async (t) => {
  const server = await serve(t, (_, response) => response.end('answer'))
  const { helper } = scriptedHelper(t, {
    config: configuration(`${server.origin}/v1`),
    getToken: [problem('login_required', 'You are not signed in.'), token('T1')],
  })
  const fetch = createFetch(helper, PLACEHOLDER_BASE_URL)
  await assert.rejects(fetch(`${PLACEHOLDER_BASE_URL}/chat/completions`, { ...POST, body: '{"model":"sign-in-first","messages":[]}' }), { message: SIGN_IN })
  await assert.rejects(fetch(`${PLACEHOLDER_BASE_URL}/chat/completions`, { ...POST, body: '{"model":"sign-in-first","messages":[]}' }), /You are signed in, but no models of .* are known yet\./)
  assert.equal(server.requests.length, 0)
})
