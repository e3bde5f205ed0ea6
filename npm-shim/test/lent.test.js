import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFetch, rehearse } from '../lib/fetch.js'
import { acquire } from '../lib/helper.js'
import { Lent } from '../lib/lent.js'
import { configuration, eventually, problem, script, scriptedHelper, serve, temporaryDirectory, token } from '../testing/setup.js'

const BASE_URL = 'http://127.0.0.1:1/v1'
/** @type {import('../lib/types.js').HelperConfig} */
const config = { ...configuration(BASE_URL), authMethod: 'confidential_app' }
const hello = { result: { protocol: 1, helper: { version: '0', platform: 'fake' }, config } }

/**
 * A helper that has lent T1 when it was loaded.
 * @param {import('node:test').TestContext} t
 * @param {object} actions
 */
async function lending(t, actions) {
  const all = scriptedHelper(t, { config, lend: [token('T1', 5)], ...actions })
  await eventually(() => all.helper.ready() !== undefined)
  return all
}

/**
 * Puts an endpoint in the place of the network, which answers at once.
 * @param {import('node:test').TestContext} t
 * @param {(given: string) => Response} answer
 */
function endpoint(t, answer) {
  /** @type {string[]} */
  const given = []
  t.mock.method(globalThis, 'fetch', async (/** @type {string} */ _, /** @type {{ headers: Headers }} */ { headers }) => {
    given.push(new Headers(headers).get('authorization') ?? '')
    return answer(given.at(-1) ?? '')
  })
  return given
}

test('a lent token is sent before anything is waited for, and asked for again behind', async (t) => {
  const { helper, asked } = await lending(t, { getToken: [token('T2', 5)] })
  const given = endpoint(t, () => new Response('answer'))
  const response = createFetch(helper, BASE_URL)(`${BASE_URL}/models`)
  assert.deepEqual(given, ['Bearer T1'])
  assert.equal(await (await response).text(), 'answer')
  await eventually(() => helper.ready()?.token === 'T2')
  assert.equal(asked('getToken').length, 1)
})

test('many uses at once ask once', async (t) => {
  const { helper, asked } = await lending(t, { getToken: [token('T2', 5)], status: [{ result: 1 }] })
  const given = endpoint(t, () => new Response())
  const fetch = createFetch(helper, BASE_URL)
  await Promise.all(Array.from({ length: 20 }, () => fetch(`${BASE_URL}/models`)))
  await helper.call('status')
  assert.deepEqual(given, Array(20).fill('Bearer T1'))
  assert.equal(asked('getToken').length, 1)
})

test('a token that is not lent is asked for each time', async (t) => {
  const { helper, asked } = scriptedHelper(t, { config, lend: [token('T0')], getToken: [token('T1'), token('T2')] })
  const given = endpoint(t, () => new Response())
  const fetch = createFetch(helper, BASE_URL)
  for (const _ of [1, 2]) await fetch(`${BASE_URL}/models`)
  assert.deepEqual(given, ['Bearer T1', 'Bearer T2'])
  assert.equal(asked('getToken').length, 2)
})

test('a lent token that the endpoint does not take is given back', async (t) => {
  const { helper } = await lending(t, { getToken: [token('T2', 5)] })
  const given = endpoint(t, (authorization) => new Response(null, { status: authorization === 'Bearer T2' ? 200 : 401 }))
  assert.equal((await createFetch(helper, BASE_URL)(`${BASE_URL}/models`)).status, 200)
  assert.deepEqual(given, ['Bearer T1', 'Bearer T2'])
  assert.equal(helper.ready()?.token, 'T2')
})

for (const [what, answer, left] of /** @type {const} */ ([
  ['another token', token('T2', 5), 'T2'],
  ['a sign-out', problem('login_required', 'You are not signed in.'), undefined],
])) {
  test(`a session that changed gives back what was lent: ${what}`, async (t) => {
    const changed = [{ method: 'session/changed', params: { signedIn: left !== undefined } }]
    const { helper } = await lending(t, { status: [{ notify: changed, result: 1 }], getToken: [answer] })
    await helper.call('status')
    assert.notEqual(helper.ready()?.token, 'T1')
    await eventually(() => helper.ready()?.token === left)
  })
}

test('an answer from before the change comes too late', async (t) => {
  const changed = [{ method: 'session/changed', params: { signedIn: true } }]
  const { helper } = scriptedHelper(t, { initialize: [{ ...hello, notify: changed }], lend: [{ ...token('T1', 5), after: 100 }], getToken: [token('T2', 5)] })
  await eventually(() => helper.ready() !== undefined)
  await new Promise((resolve) => setTimeout(resolve, 200))
  assert.equal(helper.ready()?.token, 'T2')
})

test('a question behind that fails gives back what was lent, and nobody is told', async (t) => {
  const { helper } = await lending(t, { getToken: [problem('login_required', 'You are not signed in.')] })
  endpoint(t, () => new Response())
  assert.equal((await createFetch(helper, BASE_URL)(`${BASE_URL}/models`)).status, 200)
  await eventually(() => helper.ready() === undefined)
})

test('a helper that is dead lends nothing', async (t) => {
  const { helper, asked } = await lending(t, {})
  process.kill(asked('start')[0].pid, 'SIGKILL')
  await eventually(() => helper.ready() === undefined)
})

test('a configuration that may have changed gives back what was lent', async (t) => {
  const other = configuration('http://127.0.0.1:2/v1')
  const { helper } = await lending(t, {
    initialize: [hello, { result: { ...hello.result, config: other } }],
    lend: [token('T1', 5), token('T2', 5)],
    connect: [{ result: 1 }],
  })
  const connect = helper.call('connect', {}, { anew: true })
  assert.equal(helper.ready(), undefined)
  await connect
  await eventually(() => helper.ready() !== undefined)
  assert.deepEqual(helper.ready(), { config: other, token: 'T2' })
})

const another = problem('changed', 'The configuration has changed.', { retryable: true })

test('a helper that has read another configuration is asked for it, and lends for that', async (t) => {
  const other = configuration('http://127.0.0.1:2/v1')
  const { helper } = await lending(t, {
    initialize: [hello, { result: { ...hello.result, config: other } }],
    lend: [token('T1', 5), token('T2', 5)],
    status: [{ notify: [{ method: 'session/changed', params: { signedIn: true } }], result: 1 }],
    getToken: [another],
  })
  await helper.call('status')
  assert.equal(helper.ready(), undefined)
  await eventually(() => helper.ready() !== undefined)
  assert.deepEqual(helper.ready(), { config: other, token: 'T2' })
})

test('a token goes to the endpoint that it is for, also where that changes on the way', async (t) => {
  const [first, second] = [await serve(t, (_, response) => response.writeHead(401).end()), await serve(t, (_, response) => response.end('answer'))]
  const [before, after] = [first, second].map(({ origin }) => ({ result: { ...hello.result, config: configuration(`${origin}/v1`) } }))
  const { helper, asked } = scriptedHelper(t, { initialize: [before, after], getToken: [token('T1'), another, token('T2')] })
  const fetch = createFetch(helper, `${first.origin}/v1`)
  // Once with a text, once with a body that can be read only once.
  const response = await fetch(new Request(`${first.origin}/v1/chat`, { method: 'POST', body: 'hello' }))
  assert.equal(await response.text(), 'answer')
  assert.equal(await (await fetch(`${first.origin}/v1/chat`, { method: 'POST', body: 'hello' })).text(), 'answer')
  assert.deepEqual(first.requests.map(({ headers }) => headers.authorization), ['Bearer T1'])
  assert.deepEqual(second.requests.map(({ headers, body, url }) => [headers.authorization, body, url]), Array(2).fill(['Bearer T2', 'hello', '/v1/chat']))
  assert.equal(asked('initialize').length, 2)
})

test('a token is not sent where another initialize has told otherwise before it came', async (t) => {
  const [first, second] = [await serve(t, (_, response) => response.end('first')), await serve(t, (_, response) => response.end('second'))]
  const [before, after] = [first, second].map(({ origin }) => ({ result: { ...hello.result, config: configuration(`${origin}/v1`) } }))
  const { helper } = scriptedHelper(t, { initialize: [before, after], getToken: [token('T2')] })
  await helper.configuration()
  const answer = createFetch(helper, `${first.origin}/v1`)(`${first.origin}/v1/models`)
  helper.greet() // as another instance of the plugin does
  assert.equal(await (await answer).text(), 'second')
  assert.equal(first.requests.length, 0)
})

test('a helper whose configuration changes all the time is given up on', async (t) => {
  const { helper } = scriptedHelper(t, { config, getToken: [another] })
  const given = endpoint(t, () => new Response())
  await assert.rejects(createFetch(helper, BASE_URL)(`${BASE_URL}/models`), /The configuration has changed/)
  assert.deepEqual(given, [])
})

test('two directories are lent their own', async (t) => {
  const { directory } = script(t, { config, lend: [token('T1', 5), token('T2', 5)] })
  const first = acquire(directory)
  t.after(() => first.release())
  await eventually(() => first.ready() !== undefined)
  const second = acquire(temporaryDirectory(t))
  t.after(() => second.release())
  assert.equal(second.ready(), undefined)
  await eventually(() => second.ready() !== undefined)
  assert.deepEqual([first.ready()?.token, second.ready()?.token], ['T1', 'T2'])
})

const minute = 60_000
for (const [what, wall, steady, lent] of /** @type {const} */ ([
  ['at once', 0, 0, true],
  ['just before the end', 5 * minute - 1, 5 * minute - 1, true],
  ['at the end', 5 * minute, 5 * minute, false],
  ['after a sleep in which the steady clock stood', 8 * 60 * minute, 10, false],
  ['after the clock was set back a little', minute, 4 * minute, true],
  ['after the clock was set back, at the end', minute, 5 * minute, false],
  ['after the clock was set back to before', -1, 10, false],
])) {
  test(`a token is ${lent ? 'lent' : 'not lent'} ${what}`, (t) => {
    let passed = { wall: 0, steady: 0 }
    const start = Date.now()
    t.mock.method(Date, 'now', () => start + passed.wall)
    t.mock.method(performance, 'now', () => 1_000 + passed.steady)
    const it = new Lent()
    it.hold({ accessToken: 'T1', tokenType: 'Bearer', expiresAt: '', useUntil: new Date(start + 5 * minute).toISOString() }, config)
    passed = { wall, steady }
    assert.deepEqual(it.pass(), lent ? { config, token: 'T1' } : undefined)
  })
}

for (const useUntil of [undefined, '', 'soon', '2001-01-01T00:00:00Z']) {
  test(`nothing is lent until ${useUntil}`, () => {
    const it = new Lent()
    it.hold({ accessToken: 'T1', tokenType: 'Bearer', expiresAt: '', useUntil }, config)
    assert.equal(it.pass(), undefined)
  })
}

for (const [what, more] of /** @type {const} */ ([
  ['a plain endpoint', {}],
  ['one with a CA of the company', { baseURL: 'https://llm.example.com/v1', caFile: new URL(import.meta.url).pathname }],
])) {
  test(`a rehearsal sends and asks nothing: ${what}`, async (t) => {
    const { helper, asked } = await lending(t, {})
    const given = endpoint(t, () => new Response())
    await rehearse(helper, { ...config, ...more })
    assert.deepEqual(given, [])
    assert.equal(asked('getToken').length, 0)
    assert.equal(helper.ready()?.token, 'T1')
  })
}
