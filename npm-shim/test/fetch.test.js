import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { requests } from '../hosts/v2/requests.js'
import { tools } from '../hosts/v2/tools.js'
import { createFetch } from '../lib/fetch.js'
import { Problem } from '../lib/problem.js'
import { eventually, problem, scriptedHelper, serve, token } from '../testing/setup.js'

const TOLD = 'http://oci-oidc.invalid/v1'
const POST = {
  method: 'POST',
  headers: { Authorization: 'Bearer placeholder', 'Content-Type': 'application/json' },
  body: '{"model":"m","prompt":"hi"}',
}

/**
 * An endpoint, and a helper that lends T1 for it and answers explain as given. The answer
 * 'T2' is that token for the endpoint, lent for five minutes.
 * @param {import('node:test').TestContext} t
 * @param {(token: string, response: import('node:http').ServerResponse) => void} answer
 * @param {{ explain?: (object | 'T2')[], getToken?: object[], minutes?: number }} [script]
 */
async function endpoint(t, answer, { explain = [], getToken, minutes } = {}) {
  const server = await serve(t, (request, response) =>
    answer(request.headers.authorization?.replace('Bearer ', '') ?? '', response),
  )
  const baseURL = `${server.origin}/v1`
  const { helper, asked } = scriptedHelper(t, {
    getToken: getToken ?? [token('T1', { baseURL, minutes })],
    explain: explain.map((answer) =>
      answer === 'T2' ? { result: { token: token('T2', { baseURL, minutes: 5 }).result } } : answer,
    ),
  })
  return { ...server, helper, asked, fetch: createFetch(helper, TOLD), url: `${baseURL}/chat/completions` }
}

/**
 * Replaces the fetch of the platform until the test ends. Returns the arguments of its calls.
 * @param {import('node:test').TestContext} t
 * @param {(...args: any[]) => Promise<Response>} [answer]
 */
function replaceFetch(t, answer = async () => new Response('answer')) {
  const before = globalThis.fetch
  t.after(() => {
    globalThis.fetch = before
  })
  /** @type {any[]} */
  const given = []
  globalThis.fetch = (...args) => {
    given.push(args)
    return answer(...args)
  }
  return given
}

const fingerprint = (/** @type {string} */ text) => createHash('sha256').update(text).digest('hex').slice(0, 16)

/** @param {string[]} good */
function accept(...good) {
  return (/** @type {string} */ given, /** @type {import('node:http').ServerResponse} */ response) =>
    good.includes(given) ? response.end('answer') : response.writeHead(401, { 'x-why': given }).end(`no: ${given}`)
}

test('the token replaces whatever authorization there was', async (t) => {
  const { fetch, url, requests } = await endpoint(t, accept('T1'))
  const response = await fetch(url, POST)
  assert.equal(await response.text(), 'answer')
  assert.equal(requests[0]?.headers.authorization, 'Bearer T1')
  assert.equal(requests[0]?.headers['content-type'], 'application/json')
  assert.equal(requests[0]?.body, POST.body)
})

test('the first request is rehearsed, and nothing is sent', async (t) => {
  const given = replaceFetch(t, globalThis.fetch)
  const anew = '../lib/fetch.js?anew'
  await import(anew)
  await eventually(() => given.length > 0)
  for (const [target, { headers }] of given)
    assert.deepEqual([target, headers], ['data:,/', { authorization: 'Bearer ' }])
})

test('a lent token is sent before anything is waited for', async (t) => {
  const { helper } = scriptedHelper(t, { lend: [token('T1', { minutes: 5 })] })
  await eventually(() => helper.lease() !== undefined)
  const given = replaceFetch(t)
  const response = createFetch(helper, TOLD)(`${TOLD}/chat`, { method: 'POST', body: '{}' })
  assert.equal(given.length, 1)
  const [address, { headers, redirect }] = given[0]
  assert.deepEqual(
    [address, headers, redirect],
    ['http://127.0.0.1:2/v1/chat', { authorization: 'Bearer T1' }, 'manual'],
  )
  assert.equal(await (await response).text(), 'answer')
})

for (const [what, tls] of /** @type {[string, object | undefined][]} */ ([
  ['that are checked', { rejectUnauthorized: true, ca: 'PEM' }],
  ['left alone', undefined],
])) {
  test(`the certificates of the endpoint: ${what}; what else the host set stays`, async (t) => {
    const { helper } = scriptedHelper(t, { getToken: [token('T1', { tls })] })
    const calls = replaceFetch(t)
    const body = new Uint8Array([1, 2])
    const init = /** @type {any} */ ({
      method: 'POST',
      body,
      timeout: false,
      proxy: 'http://p',
      tls: { serverName: 'x' },
    })
    await createFetch(helper, TOLD)(`${TOLD}/chat`, init)
    const given = calls[0][1]
    assert.deepEqual(
      [given.timeout, given.proxy, given.body, given.tls],
      [false, 'http://p', body, { serverName: 'x', ...tls }],
    )
  })
}

/** @type {[string, (url: string) => [string | URL | Request, RequestInit?]][]} */
const forms = [
  ['a string', (url) => [url, POST]],
  ['a URL', (url) => [new URL(url), POST]],
  ['a Request', (url) => [new Request(url, POST)]],
  ['bytes', (url) => [url, { ...POST, body: new TextEncoder().encode(POST.body) }]],
  ['a Blob', (url) => [url, { ...POST, body: new Blob([POST.body]) }]],
  ['a stream', (url) => [url, /** @type {any} */ ({ ...POST, body: new Blob([POST.body]).stream(), duplex: 'half' })]],
  ['what the host was told', () => [`${TOLD}/chat/completions`, POST]],
]
for (const [form, call] of forms) {
  test(`a 401 is repeated once with a renewed token: ${form}`, async (t) => {
    const { fetch, url, requests, asked, helper } = await endpoint(t, accept('T2'), { explain: ['T2'] })
    const response = await fetch(...call(url))
    assert.equal(response.status, 200)
    const seen = requests.map(({ method, url, headers, body }) => [
      method,
      url,
      headers.authorization,
      body,
      headers['content-length'],
    ])
    const length = String(POST.body.length)
    assert.deepEqual(seen, [
      ['POST', '/v1/chat/completions', 'Bearer T1', POST.body, length],
      ['POST', '/v1/chat/completions', 'Bearer T2', POST.body, length],
    ])
    const [{ params }] = asked('explain')
    assert.deepEqual([params.fingerprint, params.status, params.repeated], [fingerprint('T1'), 401, false])
    assert.deepEqual([params.headers['x-why'], params.body], ['T1', 'no: T1'])
    assert.equal(helper.lease()?.token, 'T2')
  })
}

test('a refusal comes with when a request was last answered, also the repeated one', async (t) => {
  let good = false
  const { fetch, url, asked } = await endpoint(t, (_, response) => response.writeHead(good ? 200 : 401).end(), {
    minutes: 5,
    explain: [{ result: {} }, 'T2', { result: {} }, { result: {} }],
  })
  for (const status of [401, 200, 401, 401]) {
    good = status === 200
    assert.equal((await fetch(url, POST)).status, status)
  }
  const [never, ...later] = asked('explain').map(({ params }) => params.served)
  assert.ok(never > 60_000, String(never))
  assert.equal(later.length, 3)
  for (const served of later) assert.ok(served >= 0 && served < 60_000, String(served))
})

test('a repeat is not repeated, whatever the helper says', async (t) => {
  const { fetch, url, requests, asked } = await endpoint(t, accept(), { explain: ['T2'] })
  assert.equal((await fetch(url, POST)).status, 401)
  assert.equal(requests.length, 2)
  assert.deepEqual(
    asked('explain').map(({ params }) => params.repeated),
    [false, true],
  )
  assert.equal(asked('explain')[1].params.fingerprint, fingerprint('T2'))
})

test('the answer is the one that the helper words, with a status that there is', async (t) => {
  const result = { status: 418, headers: { 'retry-after': '7' }, body: 'worded' }
  const { fetch, url, asked } = await endpoint(t, (_, response) => response.writeHead(500).end('raw'), {
    explain: [{ result }, { result: { status: 999 } }],
  })
  const response = await fetch(url, POST)
  assert.deepEqual([response.status, response.headers.get('retry-after'), await response.text()], [418, '7', 'worded'])
  assert.equal(asked('explain')[0].params.request, POST.body)
  assert.equal((await fetch(url, POST)).status, 599)
})

test('a problem of the helper is thrown', async (t) => {
  const trouble = { kind: 'config', message: 'It redirects.', hint: 'Correct it.', brief: 'Short.' }
  const elsewhere = await serve(t, (_, response) => response.end())
  const { fetch, url, asked } = await endpoint(
    t,
    (_, response) => response.writeHead(307, { location: elsewhere.origin }).end(),
    { explain: [{ result: { problem: trouble } }] },
  )
  await assert.rejects(fetch(url, POST), (error) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual([error.kind, error.text, error.brief], ['config', 'It redirects.\nCorrect it.', 'Short.'])
    return true
  })
  assert.deepEqual([asked('explain')[0].params.status, elsewhere.requests.length], [307, 0])
})

test('without the helper an error answer has its status and nothing that may hold the token', async (t) => {
  const { fetch, url } = await endpoint(
    t,
    (given, response) => response.writeHead(429, { 'x-echo': given }).end(given),
    { explain: [{ exit: 1 }] },
  )
  const response = await fetch(url, POST)
  assert.deepEqual([response.status, response.headers.get('x-echo'), await response.text()], [429, null, ''])
})

test('of an error without an end the beginning is shown', async (t) => {
  const { fetch, url, asked } = await endpoint(
    t,
    (_, response) => {
      response.writeHead(400)
      const more = setInterval(() => response.write('x'.repeat(10_000)), 1)
      response.on('close', () => clearInterval(more))
    },
    { explain: [{ result: { status: 400, body: 'x' } }] },
  )
  assert.equal((await fetch(url, POST)).status, 400)
  const { length } = asked('explain')[0].params.body
  assert.ok(length >= 64 << 10 && length < 1 << 20, String(length))
})

test('the token goes to the origin of the lease and nowhere else', async (t) => {
  const elsewhere = await serve(t, (_, response) => response.end())
  const trouble = { kind: 'config', message: 'Elsewhere.' }
  const { fetch, asked } = await endpoint(t, accept('T1'), { explain: [{ result: { problem: trouble } }, { exit: 1 }] })
  await assert.rejects(fetch(`${elsewhere.origin}/v1/chat/completions`, POST), /Elsewhere/)
  assert.deepEqual(asked('explain')[0].params, { provider: 'oci-oidc', address: elsewhere.origin })
  await assert.rejects(fetch(`${elsewhere.origin}/v1/chat/completions`, POST), /another origin/)
  assert.equal(elsewhere.requests.length, 0)
})

test('each provider has the token, the endpoint and the successes of its own', async (t) => {
  const first = await serve(t, (_, response) => response.end('answer'))
  const second = await serve(t, (_, response) => response.end('answer'))
  const ofFirst = token('T1', { baseURL: `${first.origin}/v1`, minutes: 5 })
  const ofSecond = token('T2', { baseURL: `${second.origin}/v1`, minutes: 5 })
  const { helper, asked } = scriptedHelper(t, {
    lend: [ofFirst],
    getToken: [ofSecond, ofFirst, ofSecond, ofFirst],
    explain: [{ result: { problem: { kind: 'config', message: 'Elsewhere.' } } }],
  })
  await eventually(() => helper.lease() !== undefined)
  const one = createFetch(helper, `${first.origin}/v1`)
  const other = createFetch(helper, `${second.origin}/v1`, 'oci-oidc-qwen')
  await other(`${second.origin}/v1/chat`, POST)
  assert.deepEqual(Object.keys(helper.served), ['oci-oidc-qwen'])
  assert.equal(asked('getToken')[0].params.provider, 'oci-oidc-qwen')
  await one(`${first.origin}/v1/chat`, POST)
  await assert.rejects(other(`${first.origin}/v1/chat`, POST), /Elsewhere/)
  await assert.rejects(one(`${second.origin}/v1/chat`, POST), /Elsewhere/)
  const [fromOther, fromOne] = asked('explain')
  assert.deepEqual(fromOther.params, { provider: 'oci-oidc-qwen', address: first.origin })
  assert.deepEqual(fromOne.params, { provider: 'oci-oidc', address: second.origin })
  const sent = [first, second].map(({ requests }) => requests.map(({ headers }) => headers.authorization))
  assert.deepEqual(sent, [['Bearer T1'], ['Bearer T2']])
})

test('an endpoint that moved is followed where the lease says', async (t) => {
  const server = await serve(t, (_, response) => response.end('answer'))
  const { helper } = scriptedHelper(t, {
    getToken: [token('T1', { baseURL: `${server.origin}/v2/` })],
    explain: [{ result: {} }],
  })
  const fetch = createFetch(helper, 'https://llm.example.com/v1/')
  assert.equal(await (await fetch('https://llm.example.com/v1/models?x=1')).text(), 'answer')
  assert.equal(server.requests[0]?.url, '/v2/models?x=1')
  await assert.rejects(fetch('https://llm.example.com/v10/models'), /another origin/)
})

test('a fault of the network is shown to the helper; without a word of it the error is the own one', async (t) => {
  const { helper, asked } = scriptedHelper(t, {
    getToken: [token('T1')],
    explain: [{ result: {} }, { result: { problem: { kind: 'tls', message: 'The certificate.' } } }],
  })
  const fetch = createFetch(helper, TOLD)
  const error = await fetch(`${TOLD}/models`).catch((error) => error)
  assert.ok(error instanceof Error && !(error instanceof Problem))
  assert.match(asked('explain')[0].params.code, /^(ECONNREFUSED|ConnectionRefused)$/)
  await assert.rejects(fetch(`${TOLD}/models`), /The certificate/)
})

test('a problem is one question, and no request', async (t) => {
  const trouble = problem('login_required', 'You are not signed in.', { hint: 'Run /connect.' })
  const { fetch, url, requests, asked } = await endpoint(t, accept('T1'), { getToken: [trouble] })
  await assert.rejects(fetch(url, POST), { kind: 'login_required', message: 'You are not signed in.' })
  assert.deepEqual([asked('getToken').length, requests.length], [1, 0])
})

test('an abort while waiting for the token cancels the question', async (t) => {
  const { fetch, url, requests, asked } = await endpoint(t, accept('T1'), { getToken: [{}] })
  const abort = new AbortController()
  const call = fetch(url, { ...POST, signal: abort.signal })
  await eventually(() => asked('getToken').length === 1)
  abort.abort()
  await assert.rejects(call, { name: 'AbortError' })
  await eventually(() => asked('$/cancelRequest').length === 1)
  assert.equal(requests.length, 0)
})

test('an abort while the endpoint answers reaches the endpoint, and nobody is asked about it', async (t) => {
  const abort = new AbortController()
  const { fetch, url, asked } = await endpoint(t, () => abort.abort())
  await assert.rejects(fetch(url, { ...POST, signal: abort.signal }), { name: 'AbortError' })
  assert.equal(asked('explain').length, 0)
})

/**
 * What OpenCode 2 has been given by some part of the plugin.
 * @param {(ctx: any, helper: any, configuration: any) => Promise<void>} part
 * @param {any} helper
 */
async function hooksOf(part, helper) {
  /** @type {Record<string, any>} */
  const hooks = {}
  const hook = async (/** @type {string} */ name, /** @type {any} */ callback) => {
    hooks[name] = callback
  }
  const registry = { hook, transform: async () => {} }
  const now = { providers: [{ info: { id: 'oci-oidc', settings: { baseURL: TOLD } } }], tools: [], secrets: ['Secret'] }
  const ctx = { session: registry, tool: registry, permission: registry, shell: registry, location: { directory: '/' } }
  await part(ctx, helper, { now })
  return hooks
}

test('OpenCode 2: the body of a stream is sent twice, and one that somebody has read fails in words', async (t) => {
  const { helper, url, requests: sent } = await endpoint(t, accept('T2'), { explain: ['T2', {}] })
  const hooks = await hooksOf(requests, helper)
  const send = async (/** @type {Request} */ request) => {
    /** @type {any} */
    const event = { model: { providerID: 'oci-oidc' }, request }
    await hooks['http.request'](event)
    event.response = await globalThis.fetch(event.request)
    await hooks['http.response'](event)
    return event.response
  }
  const body = new Blob([POST.body]).stream()
  assert.equal((await send(new Request(url, /** @type {any} */ ({ ...POST, body, duplex: 'half' })))).status, 200)
  assert.deepEqual(
    sent.map((request) => request.body),
    [POST.body, POST.body],
  )
  const used = new Request(url, POST)
  await used.text()
  const refused = await send(used)
  assert.ok(refused.status >= 400)
  assert.match((await refused.json()).error.message, /body/i)
  assert.equal(sent.length, 2)
})

test('OpenCode 2: values that nobody expects go through every hook', async (t) => {
  const { helper } = scriptedHelper(t, { guard: [{ result: { deny: '' } }], redact: [{ result: {} }] })
  const { 'http.request': request, 'http.response': response } = await hooksOf(requests, helper)
  const {
    'execute.before': before,
    'execute.after': after,
    evaluate,
    'create.before': create,
  } = await hooksOf(tools, helper)
  const other = Object.freeze({ request: new Request(TOLD), response: new Response('theirs') })
  await request(other)
  await response(other)
  await before(Object.freeze({}))
  await evaluate(Object.freeze({}))
  for (const status of ['error', 'completed', 'cancelled', undefined]) await after({ tool: 'x', status })
  await after(Object.freeze({ tool: 'x', status: 'error', error: Object.freeze({ message: 'a message' }) }))
  create({})
  const env = Object.assign(Object.create(null), { SECRET: 'x', OTHER: 'y' })
  create({ env })
  assert.deepEqual({ ...env }, { OTHER: 'y' })
})
