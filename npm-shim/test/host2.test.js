// What OpenCode 2 does that its stand-in (e2e/host2) does not: it never ends what it has begun, and
// a helper that tells it what only a long time would bring about.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setup, timing } from '../hosts/v2/plugin.js'
import { eventually, script } from '../testing/setup.js'

/**
 * A host with the plugin, whose integration is signed in.
 * @param {import('node:test').TestContext} t
 * @param {object} actions of the helper
 * @param {() => Promise<void>} [reload]
 */
async function host(t, actions, reload = async () => {}) {
  const { directory, asked, happens } = script(t, actions)
  /** @type {any[]} */
  const methods = []
  /** @type {any[]} */
  const marks = []
  const editor = { add() {}, update() {}, method: { update: (/** @type {any} */ method) => methods.push(method) } }
  const connection = {
    active: async () => ({ type: 'credential', id: 'c' }),
    status: async (/** @type {any} */ { status }) => void marks.push(status?.message),
  }
  const registry = {
    transform: async (/** @type {any} */ transform) => transform(editor),
    hook: async () => {},
    register: async () => {},
    reload,
    connection,
  }
  const [integration, permission, provider, rpc, session, shell, tool] = Array(7).fill(registry)
  const event = { subscribe: async function* () {} }
  const location = { directory, project: { canonical: directory } }
  const context = { options: {}, event, integration, location, permission, provider, rpc, session, shell, tool }
  const cleanup = await setup(/** @type {any} */ (context))
  t.after(() => cleanup?.())
  return { methods, marks, asked, happens }
}

const configured = {
  providers: [{ info: { id: 'oci-oidc', name: 'Company', settings: {} }, models: [] }],
  methods: [{ label: 'With a browser', params: { flow: 'browser' } }],
  tools: [],
  secrets: [],
}

test('a sign-in ends although the host never ends its reload', async (t) => {
  const { reload } = timing
  t.after(() => void Object.assign(timing, { reload }))
  timing.reload = 10
  const prompt = { attempt: 'asked', url: 'http://127.0.0.1:8888/', text: 'Sign in there.', paste: false }
  let reloads = 0
  const { methods } = await host(
    t,
    {
      configure: [{ result: configured }, { result: { ...configured, secrets: ['OTHER'] } }, { result: configured }],
      connect: [{ notify: [{ method: 'connect/prompt', params: prompt }], result: { subject: 'alice' } }],
    },
    () => {
      reloads++
      return new Promise(() => {})
    },
  )
  for (const seen of [2, 4]) {
    const { callback } = await methods[0].authorize()
    assert.equal((await callback).type, 'oauth')
    assert.equal(reloads, seen)
  }
})

test('a session that ends by itself is marked as soon as the status shows it', async (t) => {
  const changed = (/** @type {string} */ level) => ({
    method: 'status/changed',
    params: { item: { text: 'OCI', level } },
  })
  const { marks, asked } = await host(t, {
    configure: [{ result: configured }],
    status: [{ result: {}, notify: [changed('good'), changed('warning')] }, { result: { ended: 'Not signed in' } }],
  })
  await eventually(() => marks.length === 2)
  assert.deepEqual(marks, [undefined, 'Not signed in'])
  assert.equal(asked('status').length, 2)
})
