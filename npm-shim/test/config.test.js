import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configure } from '../lib/config.js'
import { PLACEHOLDER_BASE_URL, PROVIDER, PROVIDER_NAME } from '../lib/messages.js'
import { configuration, scriptedHelper } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')

/**
 * @param {import('node:test').TestContext} t
 * @param {import('../lib/types.js').OpenCodeConfig} written
 * @param {object} [actions]
 */
async function configured(t, written, actions = { config }) {
  const { helper } = scriptedHelper(t, actions)
  await configure(helper, written)
  const provider = /** @type {any} */ (written.provider?.[PROVIDER])
  assert.equal(typeof provider.options.fetch, 'function')
  delete provider.options.fetch
  return provider
}

test('with nothing written the provider is complete', async (t) => {
  assert.deepEqual(await configured(t, {}), {
    npm: '@ai-sdk/openai-compatible',
    name: PROVIDER_NAME,
    options: { baseURL: 'https://llm.example.com/v1' },
  })
})

test('what is written wins, however deep', async (t) => {
  const written = {
    name: 'Ours',
    npm: '@ai-sdk/openai',
    models: { m: { name: 'M', limit: { context: 1 } } },
    options: { baseURL: 'https://other.example.com', headers: { 'x-team': 'a' }, timeout: false },
  }
  assert.deepEqual(await configured(t, { provider: { [PROVIDER]: structuredClone(written) } }), written)
})

test('what is not ours is left alone', async (t) => {
  const other = { npm: 'x', options: { baseURL: 'y' } }
  const provider = { other, [PROVIDER]: { models: { m: {} } } }
  const written = { provider, model: 'other/z' }
  await configured(t, written)
  assert.equal(written.provider.other, other)
  assert.equal(written.model, 'other/z')
  assert.deepEqual(provider[PROVIDER], { models: { m: {} } }, 'OpenCode may use the object again')
})

const hello = { protocol: 1, helper: { version: '0', platform: 'fake' } }
for (const [what, actions] of /** @type {[string, object][]} */ ([
  ['without a configuration', { initialize: [{ result: { ...hello, problem: { kind: 'config', message: 'none' } } }] }],
  ['with a helper that dies', { initialize: [{ exit: 1 }] }],
  ['with a silent helper', { initialize: [{}] }],
])) {
  test(`${what} there is a base URL all the same, soon`, async (t) => {
    const started = Date.now()
    const provider = await configured(t, {}, actions)
    assert.equal(provider.options.baseURL, PLACEHOLDER_BASE_URL)
    assert.ok(Date.now() - started < 5_000)
  })
}
