import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plugin } from '../lib/plugin.js'
import { configuration, inMinutes, script } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')
const helper = { version: '0', platform: 'fake' }
const confirm = { digest: 'd1'.repeat(32), path: '/p/oci-auth.config.jsonc', domain: 'https://idcs.evil.example', endpoint: 'https://llm.evil.example' }
const unconfirmed = { result: { protocol: 1, helper, confirm, problem: { kind: 'untrusted', message: 'It is not confirmed.' } } }
const signedIn = { result: { subject: 'alice', expiresAt: inMinutes(60) } }

test('where there is nothing to confirm, nothing is asked', async (t) => {
  const { directory } = script(t, { config })
  const hooks = await plugin({ directory })
  t.after(() => hooks.dispose())
  await hooks.config({})
  assert.deepEqual(hooks.auth.methods.flatMap(({ prompts }) => prompts ?? []), [])
})

test("a project's configuration is confirmed with what was shown, and no is the first answer", async (t) => {
  const { directory, asked } = script(t, { initialize: [unconfirmed], connect: [signedIn] })
  const hooks = await plugin({ directory })
  t.after(() => hooks.dispose())
  await hooks.config({})
  for (const method of hooks.auth.methods) {
    const [question, ...more] = method.prompts ?? []
    assert.ok(question && more.length === 0)
    for (const host of [confirm.domain, confirm.endpoint]) assert.ok(question.message.split('\n').includes(host), 'a line of its own for each host')
    const [no, yes] = question.options
    assert.equal(no?.label, 'No')
    assert.equal(yes?.value, confirm.digest)

    const refused = await method.authorize({ [question.key]: no?.value ?? '' })
    assert.match(refused.instructions, /was not confirmed/)
    assert.deepEqual(await refused.callback(), { type: 'failed' })
    assert.equal(asked('connect').length, 0, 'the helper is not even asked')
  }
  const [method] = hooks.auth.methods
  const agreed = await method?.authorize({ [method.prompts?.[0]?.key ?? '']: confirm.digest })
  assert.equal((await agreed?.callback())?.type, 'success')
  assert.equal(asked('connect')[0].params.confirm, confirm.digest)
})
