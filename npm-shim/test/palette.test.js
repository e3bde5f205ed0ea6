import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commands } from '../lib/palette.js'
import { Problem } from '../lib/problem.js'
import { eventually } from '../testing/setup.js'

const status = { signedIn: true, subject: 'maria@example.com', refreshable: true, domain: 'https://idcs.example.com', version: '0' }

/**
 * What a person sees of the commands in a TUI with these parts.
 * @param {(method: string) => unknown} answer
 * @param {(registered: any[], seen: string[]) => object} parts
 */
function palette(answer, parts) {
  /** @type {any[]} */
  const registered = []
  /** @type {string[]} */
  const seen = []
  const api = {
    ui: {
      toast: (/** @type {any} */ { variant, message }) => seen.push(`${variant}: ${message}`),
      dialog: { replace: (/** @type {() => any} */ render) => seen.push(render().message) },
      DialogAlert: (/** @type {object} */ props) => props,
    },
    ...parts(registered, seen),
  }
  const helper = { call: async (/** @type {string} */ method) => answer(method) }
  commands(/** @type {any} */ (api), /** @type {any} */ (helper), () => seen.push('changed'))
  const runs = async (/** @type {string} */ name) => {
    const command = registered.find((one) => (one.name ?? one.value) === name)
    ;(command.run ?? command.onSelect)()
    await eventually(() => seen.length > 0)
  }
  return { registered, seen, runs }
}

const ways = /** @type {[string, (registered: any[], seen: string[]) => object][]} */ ([
  ['1.18', (registered, seen) => ({
    keymap: { registerLayer: (/** @type {any} */ layer) => (registered.push(...layer.commands), () => {}), dispatchCommand: (/** @type {string} */ name) => seen.push(name) },
    command: { register: () => assert.fail('deprecated') },
  })],
  ['1.14', (registered, seen) => ({
    command: { register: (/** @type {() => any[]} */ list) => (registered.push(...list()), () => {}), trigger: (/** @type {string} */ name) => seen.push(name) },
  })],
])
for (const [version, parts] of ways) {
  test(`the commands in the palette of ${version}`, async () => {
    const answer = (/** @type {string} */ method) => (method === 'status' ? status : { expiresAt: '2020-01-01T00:00:00Z' })
    for (const [name, expected] of /** @type {[string, RegExp][]} */ ([
      ['oci-oidc.status', /maria@example\.com/],
      ['oci-oidc.refresh', /^changed success: The token was renewed/],
      ['oci-oidc.sign-in', /^provider\.connect$/],
    ])) {
      const { runs, seen, registered } = palette(answer, parts)
      await runs(name)
      assert.match(seen.join(' '), expected)
      assert.equal(registered.length, 3)
      assert.ok(registered.every(({ title, category }) => title && category))
    }
  })
}

test('a command that fails says why', async () => {
  const { runs, seen } = palette(() => {
    throw new Problem('login_required', 'You are not signed in.', 'Run /connect.')
  }, /** @type {any} */ (ways[0])[1])
  await runs('oci-oidc.refresh')
  assert.deepEqual(seen, ['error: You are not signed in.\nRun /connect.'])
})

test('where the TUI has no commands there are none', () => {
  assert.equal(palette(() => status, () => ({})).registered.length, 0)
})
