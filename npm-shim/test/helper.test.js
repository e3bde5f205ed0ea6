import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { acquire } from '../lib/helper.js'
import { Problem } from '../lib/problem.js'
import { timing } from '../lib/wire.js'
import { eventually, problem, script, scriptedHelper, temporaryDirectory, token, useHelper } from '../testing/setup.js'

/**
 * Makes a silent helper be noticed sooner. The one that takes its place has all the time it
 * needs to start.
 * @param {import('node:test').TestContext} t
 */
function impatient(t) {
  const { tick } = timing
  const ticks = [500, 500, 500] // a helper is lost after three
  Object.defineProperty(timing, 'tick', { configurable: true, get: () => ticks.pop() ?? 60_000 })
  t.after(() => void Object.defineProperty(timing, 'tick', { value: tick, writable: true }))
}

test('a directory has one helper, spawned at once and told who asks', async (t) => {
  const { directory, asked } = script(t, { status: [{ result: 1 }] })
  const [first, second] = [acquire(directory, 'test'), acquire(directory, 'test')]
  assert.equal(first, second)
  await first.call('status')
  assert.equal(asked('start').length, 1)
  const { protocol, client, ...params } = asked('initialize')[0].params
  assert.deepEqual([protocol, params.directory], [1, directory])
  assert.deepEqual(
    [client.name, client.host, client.runtime],
    ['opencode-oci-oidc', 'test', process.versions.bun ? 'bun' : 'node'],
  )

  await first.release()
  assert.equal(asked('eof').length, 0, 'somebody still uses it')
  assert.equal(await second.call('status'), 1)
  await second.release()
  await eventually(() => asked('eof').length === 1)
})

test('another directory has another helper', async (t) => {
  const { directory, asked } = script(t, { status: [{ result: 1 }] })
  const helpers = [acquire(join(directory, 'a'), 'test'), acquire(join(directory, 'b'), 'test')]
  assert.notEqual(helpers[0], helpers[1])
  await Promise.all(helpers.map((helper) => helper.call('status')))
  assert.equal(asked('start').length, 2)
  await Promise.all(helpers.map((helper) => helper.release()))
})

test('a call after the last release revives nothing', async (t) => {
  const { directory, asked } = script(t, { status: [{ result: 1 }] })
  const helper = acquire(directory, 'test')
  await helper.call('status')
  await helper.release()
  await assert.rejects(helper.call('status'), { kind: 'cancelled' })
  helper.start()
  assert.equal(asked('start').length, 1)
})

test('a call on which the helper dies is repeated with a new one', async (t) => {
  const { helper, asked } = scriptedHelper(t, { status: [{ exit: 2 }, { result: 1 }] })
  assert.equal(await helper.call('status'), 1)
  assert.deepEqual([asked('start').length, asked('initialize').length], [2, 2])
})

test('a call on which it dies again fails, and the next ones are spared for a while', async (t) => {
  const { helper, asked } = scriptedHelper(t, { status: [{ exit: 2 }, { exit: 2 }, { result: 1 }] })
  const gone = (/** @type {unknown} */ error) =>
    error instanceof Problem && !error.retryable && /ended unexpectedly \(exit code 2\)/.test(error.text)
  await assert.rejects(helper.call('status'), gone)
  assert.equal(asked('start').length, 2)
  await assert.rejects(helper.call('status'), gone)
  assert.equal(asked('start').length, 2, 'it is not started at once again')
  await eventually(async () => (await helper.call('status').catch(() => 0)) === 1)
  assert.equal(asked('start').length, 3)
})

test('a call that must not be repeated is not', async (t) => {
  const { helper, asked } = scriptedHelper(t, { connect: [{ exit: 2 }] })
  await assert.rejects(helper.call('connect', {}, { once: true }), /ended unexpectedly/)
  assert.equal(asked('connect').length, 1)
})

test('a helper that died while nobody asked is started again', async (t) => {
  const { helper, asked } = scriptedHelper(t, { status: [{ result: 1 }] })
  await helper.call('status')
  process.kill(asked('start')[0].pid, 'SIGKILL')
  await eventually(async () => (await helper.call('status')) === 1 && asked('start').length === 2)
})

test('calls in flight when it dies are all answered by one new helper', async (t) => {
  const { helper, asked } = scriptedHelper(t, { status: [{}, {}, { exit: 1 }, { result: 1 }] })
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => helper.call('status'))), [1, 1, 1])
  assert.equal(asked('start').length, 2)
})

for (const [what, action] of /** @type {[string, object][]} */ ([
  ['is stopped', { stop: true }],
  ['closes its input and lives', { closeInput: true }],
  ['says nothing to anything', {}],
])) {
  test(`a helper that ${what} is replaced, and the call answered by another`, async (t) => {
    const { directory, asked } = script(t, { deaf: true, immortal: true, status: [action, { result: 1 }] })
    const helper = acquire(directory, 'test')
    await eventually(() => asked('initialize').length === 1)
    impatient(t)
    assert.equal(await helper.call('status'), 1)
    const started = asked('start')
    await helper.release()
    for (const { pid } of started) process.kill(pid, 'SIGKILL')
    assert.equal(started.length, 2)
  })
}

test('a call without an answer within its time ends the helper', async (t) => {
  const { helper, asked } = scriptedHelper(t, { status: [{}] })
  impatient(t)
  await assert.rejects(helper.call('status', {}, { limit: 300, once: true }), /has stopped answering/)
  await eventually(() => asked('eof').length === 1)
})

for (const answer of [{}, null, { accessToken: 7 }, { accessToken: 'T' }, { accessToken: 'T', baseURL: 'nowhere' }]) {
  test(`a token that is none is a problem: ${JSON.stringify(answer)}`, async (t) => {
    const { helper } = scriptedHelper(t, { lend: [{ result: answer }], getToken: [{ result: answer }] })
    await assert.rejects(helper.borrow(), /sent no token/)
    assert.equal(helper.lease(), undefined)
  })
}

test('a token that is lent is there without asking, and asked for again when it is used', async (t) => {
  const { helper, asked } = scriptedHelper(t, {
    lend: [token('T1', { minutes: 5 })],
    getToken: [token('T2', { minutes: 5 })],
  })
  await eventually(() => helper.lease()?.token === 'T1')
  for (let i = 0; i < 20; i++) helper.used()
  await eventually(() => helper.lease()?.token === 'T2')
  assert.equal(asked('getToken').length, 1)
})

for (const [what, answer, left] of /** @type {const} */ ([
  ['another token', token('T2', { minutes: 5 }), 'T2'],
  ['a sign-out', problem('login_required', 'You are not signed in.'), undefined],
])) {
  test(`a session that changed gives back what was lent: ${what}`, async (t) => {
    const notify = [{ method: 'session/changed' }]
    const lend = [token('T1', { minutes: 5 })]
    const { helper, asked } = scriptedHelper(t, { lend, status: [{ notify, result: 1 }], getToken: [answer] })
    await eventually(() => helper.lease() !== undefined)
    await helper.call('status')
    assert.notEqual(helper.lease()?.token, 'T1')
    await eventually(() => asked('getToken').length === 1 && helper.lease()?.token === left)
  })
}

test('an answer from before the change comes too late', async (t) => {
  const { helper } = scriptedHelper(t, {
    lend: [{ ...token('T1', { minutes: 5 }), after: 200 }],
    status: [
      { notify: [{ method: 'session/changed' }], result: 1 },
      { result: 2, after: 400 },
    ],
    getToken: [token('T2', { minutes: 5 })],
  })
  await helper.call('status')
  await helper.call('status') // by then both have come
  assert.equal(helper.lease()?.token, 'T2')
})

test('a helper that is gone has lent nothing', async (t) => {
  const { helper, asked } = scriptedHelper(t, { lend: [token('T1', { minutes: 5 }), {}] })
  await eventually(() => helper.lease() !== undefined)
  process.kill(asked('start')[0].pid, 'SIGKILL')
  await eventually(() => helper.lease() === undefined)
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
    const { helper } = scriptedHelper(t, {})
    const [now, performanceNow, start] = [Date.now, performance.now, Date.now()]
    t.after(() => Object.assign(Date, { now }) && Object.assign(performance, { now: performanceNow }))
    Date.now = () => start
    performance.now = () => 1_000
    helper.accept({ ...token('T1').result, useUntil: new Date(start + 5 * minute).toISOString(), tls: undefined })
    Date.now = () => start + wall
    performance.now = () => 1_000 + steady
    assert.equal(helper.lease()?.token, lent ? 'T1' : undefined)
  })
}

for (const [what, content, mode, expected] of /** @type {[string, string | undefined, number, RegExp][]} */ ([
  ['does not exist', undefined, 0, /does not exist/],
  ['is not executable', '#!/bin/sh\n', 0o644, /refuses to run .*\n.*chmod \+x/],
  ['ends at once', '#!/bin/sh\nexit 3\n', 0o755, /ended unexpectedly \(exit code 3\)/],
])) {
  test(`a program that ${what} is told at the first need`, async (t) => {
    const directory = temporaryDirectory(t)
    const path = join(directory, 'helper')
    if (content !== undefined) {
      writeFileSync(path, content, 'latin1')
      chmodSync(path, mode)
    }
    useHelper(t, path)
    const helper = acquire(directory, 'test')
    t.after(() => helper.release())
    for (const attempt of [helper.borrow(), helper.call('status'), helper.call('status')]) {
      await assert.rejects(
        attempt,
        (error) => error instanceof Problem && !error.retryable && expected.test(error.text),
      )
    }
  })
}

const program = (/** @type {string} */ rest) => `
  import plugin from ${JSON.stringify(new URL('../hosts/v1/plugin.js', import.meta.url).href)}
  const hooks = await plugin({ directory: process.cwd() })
  await hooks.config({})
  ${rest}`

test('an idle helper keeps no process alive, and nothing is ever printed', (t) => {
  const { directory, asked } = script(t, { configure: [{ error: { message: 'none' } }] })
  const path = join(directory, 'program.mjs')
  writeFileSync(path, program(''))
  const { status, stdout, stderr } = spawnSync(process.execPath, [path], {
    cwd: directory,
    encoding: 'utf8',
    timeout: 120_000,
    env: process.env, // Bun would hand on the one of its start
  })
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  assert.equal(asked('start').length, 1)
})

test('the helper ends with OpenCode, however that ends', async (t) => {
  const { directory, asked } = script(t, {})
  const path = join(directory, 'program.mjs')
  writeFileSync(path, program('setInterval(() => {}, 1000)'))
  const opencode = spawn(process.execPath, [path], { cwd: directory, stdio: 'ignore' })
  await eventually(() => asked('initialize').length === 1)
  opencode.kill('SIGKILL')
  await eventually(() => asked('eof').length === 1)
})
