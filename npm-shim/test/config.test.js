import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configure } from '../lib/config.js'
import { PLACEHOLDER_BASE_URL, PROVIDER, PROVIDER_NAME, UNKNOWN_MODEL } from '../lib/messages.js'
import { configuration, scriptedHelper } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')

/**
 * @param {import('node:test').TestContext} t
 * @param {import('../lib/types.js').OpenCodeConfig} written
 * @param {object} [actions]
 */
async function configured(t, written, actions = { config }) {
  const { helper } = scriptedHelper(t, actions)
  await configure(helper, written, '/home/me/project')
  const provider = /** @type {any} */ (written.provider?.[PROVIDER])
  assert.equal(typeof provider.options.fetch, 'function')
  delete provider.options.fetch
  return provider
}

test('with nothing written the provider is complete', async (t) => {
  assert.deepEqual(await configured(t, {}), {
    npm: '@ai-sdk/openai-compatible',
    name: PROVIDER_NAME,
    models: UNKNOWN_MODEL,
    options: { baseURL: 'https://llm.example.com/v1' },
  })
})

const limit = { context: 131072, output: 32768 }
/** @type {Record<string, object>} */
const told = { large: { limit, tool_call: true }, small: { limit } }
const knowing = { config: { ...config, models: told } }
for (const [what, written, expected] of /** @type {[string, import('../lib/types.js').OpenCodeConfig & { provider?: any }, object][]} */ ([
  ['without a list the models are the endpoint’s', {}, told],
  ['an empty list is none', { provider: { [PROVIDER]: { models: {} } } }, told],
  ['a list is the list', { provider: { [PROVIDER]: { models: { small: {} } } } }, { small: { limit } }],
  [
    'what is written of a model wins, and the rest is filled in',
    { provider: { [PROVIDER]: { models: { large: { name: 'L', limit: { output: 5 } } } } } },
    { large: { name: 'L', tool_call: true, limit: { context: 131072, output: 5 } } },
  ],
  ['a model by another name', { provider: { [PROVIDER]: { models: { mine: { id: 'small' } } } } }, { mine: { id: 'small', limit } }],
  ['a model that the endpoint does not tell', { provider: { [PROVIDER]: { models: { own: { name: 'O' }, constructor: {} } } } }, { own: { name: 'O' }, constructor: {} }],
  ['the model to use is there, told or not', { model: `${PROVIDER}/org/new`, small_model: `${PROVIDER}/small` }, { 'org/new': {}, ...told }],
  ['another provider’s is not', { model: 'other/new' }, told],
])) {
  test(`models: ${what}`, async (t) => {
    const { models } = await configured(t, written, knowing)
    assert.deepEqual(models, expected)
  })
}

test('models: before the first sign-in the model to use is there', async (t) => {
  const { models } = await configured(t, { model: `${PROVIDER}/large` })
  assert.deepEqual(models, { large: {} })
})

test('models: a name that means something else to JavaScript does nothing', async (t) => {
  const models = JSON.parse('{"__proto__": {"limit": {"context": 1}}, "m": {"__proto__": {"polluted": true}}}')
  await configured(t, { provider: { [PROVIDER]: { models } } }, knowing)
  assert.equal(/** @type {any} */ ({}).polluted, undefined)
  assert.equal(/** @type {any} */ ({}).limit, undefined)
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
