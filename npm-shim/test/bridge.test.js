// The two halves of the plugin, of which the TUI's starts no helper.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from '../hosts/v1/bridge.js'
import { eventually, loaded, problem, script } from '../testing/setup.js'

/**
 * The TUI's end of the bridge.
 * @param {import('node:test').TestContext} t
 */
function tui(t) {
  /** @type {any[]} */
  const received = []
  const channel = open((message) => received.push(message))
  t.after(() => channel.end())
  return { received, send: channel.send }
}

const item = { text: 'OCI ✓ 43 min', level: 'good' }
const notify = [{ method: 'status/changed', params: { item } }]

test('the item and the commands are told to whoever asks, and what changes to whoever is there', async (t) => {
  const { directory, asked } = script(t, { tool: [{ notify, result: { output: 'x' } }] })
  const early = tui(t)
  const { hooks } = await loaded(t, directory)
  await hooks.tool.oci_oidc_status?.execute({})
  await eventually(() =>
    early.received.some((message) => message.from === directory && message.item?.text === item.text),
  )

  const late = tui(t)
  late.send({ to: 'elsewhere' })
  late.send({ to: directory })
  await eventually(() => late.received.length === 1)
  assert.deepEqual(late.received[0].item, item)
  assert.equal(late.received[0].commands[0].name, 'oci-oidc.status')
  assert.equal(asked('start').length, 1)
})

test('the item stays when the plugin is loaded anew beside the old one, as OpenCode 1.14 does', async (t) => {
  const { directory } = script(t, { tool: [{ notify, result: { output: 'x' } }] })
  const { received } = tui(t)
  const { hooks } = await loaded(t, directory)
  await hooks.tool.oci_oidc_status?.execute({})
  await eventually(() => received.some((message) => message.item))
  const before = received.length
  await loaded(t, directory)
  await eventually(() => received.length > before)
  for (const message of received.slice(before)) assert.deepEqual(message.item, item)
})

test('a command is run by the helper, and what it brought is shown', async (t) => {
  const alert = { title: 'Status', message: 'Signed in  yes' }
  const { directory, asked } = script(t, {
    command: [{ result: { alert } }, problem('network', 'No way.', { hint: 'Wait.' })],
  })
  await loaded(t, directory)
  const { received, send } = tui(t)
  const shown = async () => {
    const before = received.filter(({ result }) => result).length
    send({ to: directory, command: 'oci-oidc.status' })
    await eventually(() => received.filter(({ result }) => result).length > before)
    return received.filter(({ result }) => result).at(-1).result
  }
  assert.deepEqual(await shown(), { alert })
  assert.deepEqual(await shown(), { toast: { variant: 'error', message: 'No way.\nWait.' } })
  assert.equal(asked('command')[0].params.name, 'oci-oidc.status')
})

test('who has closed the dialog is told nothing more of a sign-in', async (t) => {
  /** @type {any[]} */
  const toasts = []
  const client = { tui: { showToast: async (/** @type {any} */ toast) => toasts.push(toast) } }
  const prompt = { method: 'connect/prompt', params: { attempt: 'asked', url: 'http://x/', text: 'x' } }
  const refused = { notify: [prompt], ...problem('login_denied', 'No.'), until: 'closed' }
  const next = { notify: [prompt], ...problem('login_denied', 'No again.') }
  const { directory, happens } = script(t, { connect: [refused, next] })
  const { hooks } = await loaded(t, directory, client)
  const signIn = await hooks.auth.methods[0]?.authorize()
  const { received, send } = tui(t)
  send({ closed: true })
  send({ to: directory }) // answered after the plugin has heard of the closing
  await eventually(() => received.length > 0)
  happens('closed')
  assert.deepEqual(await signIn?.callback(''), { type: 'failed' })
  // The next failure is told, later than this one would be.
  await (await hooks.auth.methods[0]?.authorize())?.callback('')
  await eventually(() => toasts.length > 0)
  assert.deepEqual(
    toasts.map(({ body }) => body.message),
    ['No again.'],
  )
})
