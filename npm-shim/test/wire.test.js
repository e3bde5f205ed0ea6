import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Problem } from '../lib/problem.js'
import { timing, Wire } from '../lib/wire.js'

/** A wire to a process that the test plays. */
function conversation() {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  /** @type {any} */
  const child = Object.assign(new EventEmitter(), { stdin, stdout, stderr, ref() {}, unref() {} })
  /** @type {string[]} */
  const notified = []
  const wire = new Wire(child, (method) => notified.push(method))
  const sent = () =>
    String(stdin.read() ?? '')
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  return { wire, sent, notified, stdin, say: (/** @type {string | Buffer} */ text) => stdout.write(text) }
}

test('answers find their questions, in any order', async () => {
  const { wire, sent, say } = conversation()
  const both = Promise.all([wire.request('a', {}), wire.request('b', { x: 1 })])
  assert.deepEqual(sent(), [
    { jsonrpc: '2.0', id: 1, method: 'a', params: {} },
    { jsonrpc: '2.0', id: 2, method: 'b', params: { x: 1 } },
  ])
  say('{"jsonrpc":"2.0","id":2,"result":"B"}\n{"jsonrpc":"2.0","id":1,"result":"A"}\n')
  assert.deepEqual(await both, ['A', 'B'])
})

test('an error becomes a problem', async () => {
  const { wire, say } = conversation()
  const call = wire.request('a', {})
  const data = '{"kind":"network","hint":"Wait.","retryable":true,"brief":"Short."}'
  say(`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"No.","data":${data}}}\n`)
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof Problem)
    assert.deepEqual([error.kind, error.retryable, error.text, error.brief], ['network', true, 'No.\nWait.', 'Short.'])
    return true
  })
})

test('a line may come in pieces, even within a character, and be of any length', async () => {
  const { wire, say } = conversation()
  const call = wire.request('a', {})
  const text = `Zoë €${'x'.repeat(3 << 20)}`
  const line = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":"${text}"}\n`)
  for (const byte of line.subarray(0, 50)) say(Buffer.from([byte]))
  say(line.subarray(50))
  assert.equal(await call, text)
})

for (const [what, line] of /** @type {const} */ ([
  ['garbage', 'panic: oh no'],
  ['an empty line', ''],
  ['null', 'null'],
  ['an answer to nothing', '{"jsonrpc":"2.0","id":99,"result":1}'],
  ['an error without an id', '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'],
])) {
  test(`${what} is passed over`, async () => {
    const { wire, say } = conversation()
    const call = wire.request('a', {})
    say(`${line}\n{"jsonrpc":"2.0","id":1,"result":"A"}\n`)
    assert.equal(await call, 'A')
  })
}

test('a helper that thinks for long, but gives signs of life, is left alone', async (t) => {
  const { tick } = timing
  timing.tick = 10
  const awake = setInterval(() => {}, 1_000) // a wire keeps no process alive
  t.after(() => {
    clearInterval(awake)
    timing.tick = tick
  })
  const { wire, stdin, say } = conversation()
  let pings = 0
  stdin.on('data', (line) => {
    if (!String(line).includes('"ping"')) return
    say(++pings < 10 ? '{"jsonrpc":"2.0","id":0,"result":{}}\n' : '{"jsonrpc":"2.0","id":1,"result":"A"}\n')
  })
  assert.equal(await wire.request('a', {}), 'A')
  assert.equal(wire.lost, undefined)
})

test('a notification is passed on', async () => {
  const { notified, say, wire } = conversation()
  const call = wire.request('a', {})
  say('{"jsonrpc":"2.0","method":"session/changed"}\n{"jsonrpc":"2.0","id":1,"result":1}\n')
  await call
  assert.deepEqual(notified, ['session/changed'])
})

test('a signal cancels the call at the helper, and no listener is left on it', async () => {
  const { wire, sent, say } = conversation()
  const abort = new AbortController()
  let listeners = 0
  const { signal } = abort
  const [add, remove] = /** @type {any[]} */ ([
    signal.addEventListener.bind(signal),
    signal.removeEventListener.bind(signal),
  ])
  Object.assign(signal, {
    addEventListener: (/** @type {any[]} */ ...args) => (listeners++, add(...args)),
    removeEventListener: (/** @type {any[]} */ ...args) => (listeners--, remove(...args)),
  })
  for (let id = 1; id <= 50; id++) {
    const call = wire.request('getToken', {}, { signal })
    say(`{"jsonrpc":"2.0","id":${id},"result":1}\n`)
    await call
  }
  assert.equal(listeners, 0)
  sent()
  const call = wire.request('getToken', {}, { signal })
  abort.abort()
  await assert.rejects(call, { name: 'AbortError' })
  assert.deepEqual(sent().at(-1), { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 51 } })
})

test('what cannot be written as JSON is refused at once, and leaves nothing behind', async () => {
  const { wire, sent, say } = conversation()
  /** @type {any} */
  const circle = {}
  circle.circle = circle
  await assert.rejects(wire.request('guard', circle), TypeError)
  assert.deepEqual(sent(), [])
  const call = wire.request('a', {})
  say('{"jsonrpc":"2.0","id":1,"result":"A"}\n{"jsonrpc":"2.0","id":2,"result":"A"}\n')
  assert.equal(await call, 'A')
})

test('its end fails what waits and what comes, and ends the input of the process', async () => {
  const { wire, stdin } = conversation()
  const call = wire.request('a', {})
  wire.end(new Problem('internal', 'gone', 'Start again.'))
  await assert.rejects(call, /gone/)
  await assert.rejects(wire.request('b', {}), /gone/)
  assert.equal(stdin.writableEnded, true)
})
