import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Problem } from '../lib/problem.js'
import { Wire } from '../lib/wire.js'

/** @param {import('../lib/wire.js').WireEvents} [events] */
function conversation(events) {
  const input = new PassThrough()
  const output = new PassThrough()
  const wire = new Wire(input, output, events)
  const sent = () => String(output.read() ?? '').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line))
  return { wire, sent, say: (/** @type {string | Buffer} */ text) => input.write(text) }
}

test('answers find their questions, in any order', async () => {
  const { wire, sent, say } = conversation()
  const both = Promise.all([wire.request('a'), wire.request('b', { x: 1 })])
  assert.deepEqual(sent(), [
    { jsonrpc: '2.0', id: 1, method: 'a' },
    { jsonrpc: '2.0', id: 2, method: 'b', params: { x: 1 } },
  ])
  say('{"jsonrpc":"2.0","id":2,"result":"B"}\n{"jsonrpc":"2.0","id":1,"result":"A"}\n')
  assert.deepEqual(await both, ['A', 'B'])
})

test('an error becomes a problem', async () => {
  const { wire, say } = conversation()
  const call = wire.request('a')
  say('{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"No.","data":{"kind":"network","hint":"Wait.","retryable":true}}}\n')
  await assert.rejects(call, (error) => error instanceof Problem && error.kind === 'network' && error.retryable && error.text === 'No.\nWait.')
})

test('a line may come in pieces, even within a character', async () => {
  const { wire, say } = conversation()
  const call = wire.request('a')
  for (const byte of Buffer.from('{"jsonrpc":"2.0","id":1,"result":"Zoë €"}\n')) say(Buffer.from([byte]))
  assert.equal(await call, 'Zoë €')
})

for (const [what, line] of /** @type {const} */ ([
  ['garbage', 'panic: oh no'],
  ['an empty line', ''],
  ['null', 'null'],
  ['an answer to nothing', '{"jsonrpc":"2.0","id":99,"result":1}'],
  ['an error without an id', '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}'],
  ['an unknown notification', '{"jsonrpc":"2.0","method":"session/changed","params":{"signedIn":true}}'],
  ['a line beyond the limit', 'x'.repeat(3 << 20)],
])) {
  test(`${what} is passed over`, async () => {
    const { wire, say } = conversation()
    const call = wire.request('a')
    say(`${line}\n{"jsonrpc":"2.0","id":1,"result":"A"}\n`)
    assert.equal(await call, 'A')
  })
}

test('a signal cancels the call at the helper', async () => {
  const { wire, sent } = conversation()
  const abort = new AbortController()
  const call = wire.request('getToken', {}, { signal: abort.signal })
  abort.abort()
  await assert.rejects(call, { name: 'AbortError' })
  assert.deepEqual(sent().at(-1), { jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 1 } })
})

test('silence ends with a problem', async () => {
  const { wire } = conversation()
  await assert.rejects(wire.request('a', {}, { timeout: 10 }), /gave no answer to "a"/)
})

test('it is busy from the first question to the last answer', async () => {
  /** @type {boolean[]} */
  const busy = []
  const { wire, say } = conversation({ onBusy: (now) => busy.push(now) })
  const both = Promise.all([wire.request('a'), wire.request('b')])
  say('{"id":1,"result":1}\n{"id":2,"result":2}\n')
  await both
  assert.deepEqual(busy, [true, false])
})

test('closing fails what waits and what comes', async () => {
  const { wire } = conversation()
  const call = wire.request('a')
  wire.close(new Problem('internal', 'gone', 'Start again.'))
  await assert.rejects(call, /gone/)
  await assert.rejects(wire.request('b'), /gone/)
})
