import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { acquire } from '../lib/helper.js'
import { Problem } from '../lib/problem.js'
import { configuration, eventually, script, scriptedHelper, temporaryDirectory, token, useHelper } from '../testing/setup.js'

const config = configuration('http://127.0.0.1:1/v1')

test('a directory has one helper, spawned at once and told who asks', async (t) => {
  const { directory, asked } = script(t, { config, status: [{ result: 1 }] })
  const [first, second] = [acquire(directory), acquire(directory)]
  assert.equal(first, second)
  await first.call('status')
  assert.equal(asked('start').length, 1)
  assert.equal(asked('initialize')[0].params.protocol, 1)
  assert.equal(asked('initialize')[0].params.directory, directory)
  assert.equal(asked('initialize')[0].params.client.name, 'opencode-oci-oidc')

  await first.release()
  assert.equal(asked('eof').length, 0, 'somebody still uses it')
  assert.equal(await second.call('status'), 1)
  await second.release()
  assert.equal(asked('eof').length, 1)
})

test('another directory has another helper', async (t) => {
  const { directory, asked } = script(t, { config })
  const helpers = [acquire(join(directory, 'a')), acquire(join(directory, 'b'))]
  assert.notEqual(helpers[0], helpers[1])
  await Promise.all(helpers.map((helper) => helper.configuration()))
  assert.equal(asked('start').length, 2)
  await Promise.all(helpers.map((helper) => helper.release()))
})

test('a new instance asks for the configuration anew', async (t) => {
  const { helper, asked, directory } = scriptedHelper(t, { config })
  await helper.configuration()
  acquire(directory)
  t.after(() => helper.release())
  await helper.configuration()
  assert.deepEqual([asked('start').length, asked('initialize').length], [1, 2])
})

test('a call may have the configuration read again first', async (t) => {
  const hello = (/** @type {string} */ baseURL) => ({ result: { protocol: 1, helper: { version: '0', platform: 'fake' }, config: configuration(baseURL) } })
  const { helper } = scriptedHelper(t, { initialize: [hello('http://old/'), hello('http://new/')], status: [{ result: 1 }] })
  assert.equal((await helper.configuration()).baseURL, 'http://old/')
  await helper.call('status', {}, { anew: true })
  assert.equal((await helper.configuration()).baseURL, 'http://new/')
})

test('a call on which the helper dies is repeated with a new one', async (t) => {
  const { helper, asked } = scriptedHelper(t, { config, getToken: [{ exit: 2 }, token('T1')] })
  assert.equal((await helper.call('getToken')).accessToken, 'T1')
  assert.deepEqual([asked('start').length, asked('initialize').length], [2, 2])
})

test('a call on which it dies again fails, and the next call has its chance', async (t) => {
  const { helper, asked } = scriptedHelper(t, { config, getToken: [{ exit: 2 }, { exit: 2 }, token('T1')] })
  await assert.rejects(helper.call('getToken'), (error) => error instanceof Problem && !error.retryable && /ended unexpectedly \(exit code 2\)/.test(error.text))
  assert.equal(asked('start').length, 2)
  assert.equal((await helper.call('getToken')).accessToken, 'T1')
  assert.equal(asked('start').length, 3)
})

test('a helper that died while nobody asked is started again', async (t) => {
  const { helper, asked } = scriptedHelper(t, { config, status: [{ result: 1 }] })
  await helper.call('status')
  process.kill(asked('start')[0].pid, 'SIGKILL')
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(await helper.call('status'), 1)
  assert.equal(asked('start').length, 2)
})

test('calls in flight when it dies are all answered by one new helper', async (t) => {
  const { helper, asked } = scriptedHelper(t, { config, status: [{}, {}, { exit: 1 }, { result: 1 }] })
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => helper.call('status'))), [1, 1, 1])
  assert.equal(asked('start').length, 2)
})

test('garbage from the helper does no harm', async (t) => {
  const { helper } = scriptedHelper(t, { config, status: [{ raw: 'panic: oh\n\n{"jsonrpc":"2.0","id":null,"error":{}}\n{', result: 0 }, { result: 1 }] })
  // The brace above spoils the line of the first answer.
  await assert.rejects(helper.call('status', {}, { timeout: 100 }), /gave no answer/)
  assert.equal(await helper.call('status'), 1)
})

test('another protocol is named, not guessed at', async (t) => {
  const { helper } = scriptedHelper(t, { initialize: [{ result: { protocol: 7, helper: { version: '9.9.9', platform: 'fake' } } }] })
  await assert.rejects(helper.configuration(), /oci-oidc-helper 9\.9\.9 does not fit opencode-oci-oidc/)
})

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
    const helper = acquire(directory)
    t.after(() => helper.release())
    for (const attempt of [helper.configuration(), helper.call('getToken'), helper.call('getToken')]) {
      await assert.rejects(attempt, (error) => error instanceof Problem && !error.retryable && expected.test(error.text))
    }
  })
}

const program = (/** @type {string} */ rest) => `
  import { plugin } from ${JSON.stringify(new URL('../lib/plugin.js', import.meta.url).href)}
  const hooks = await plugin({ directory: process.cwd() })
  await hooks.config({})
  ${rest}`

test('an idle helper keeps no process alive, and nothing is ever printed', (t) => {
  const { directory, asked } = script(t, { config })
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program('')], { cwd: directory, encoding: 'utf8', timeout: 10_000 })
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  assert.equal(asked('start').length, 1)
})

test('the helper ends with OpenCode, however that ends', async (t) => {
  const { directory, asked } = script(t, { config })
  const opencode = spawn(process.execPath, ['--input-type=module', '-e', program('setInterval(() => {}, 1000)')], { cwd: directory, stdio: 'ignore' })
  await eventually(() => asked('initialize').length === 1)
  opencode.kill('SIGKILL')
  await eventually(() => asked('eof').length === 1)
})
