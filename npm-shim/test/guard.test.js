import assert from 'node:assert/strict'
import { test } from 'node:test'
import { plugin } from '../lib/plugin.js'
import { configuration, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')

test('the helper judges', async (t) => {
  const { directory, asked } = script(t, { config, guard: [{ result: { deny: 'That is the client secret.' } }, { result: {} }] })
  const hooks = await plugin({ directory })
  t.after(() => hooks.dispose())
  const before = hooks['tool.execute.before']
  const args = { filePath: '/home/me/link' }
  await assert.rejects(before({ tool: 'read' }, { args }), { message: 'That is the client secret.' })
  await before({ tool: 'read' }, { args: { filePath: '/home/me/.secrets/x' } })
  assert.deepEqual(asked('guard')[0].params, { tool: 'read', args, directory })
})

for (const [tool, args, denied] of /** @type {[string, object | undefined, boolean][]} */ ([
  ['read', { filePath: '/home/me/.secrets/oci' }, true],
  ['bash', { command: 'cat ~/.local/state/opencode-oci-oidc/*.json' }, true],
  ['edit', { filePath: 'OCI-AUTH.config.jsonc', oldString: 'a', newString: 'b' }, true],
  ['apply_patch', { patchText: '*** Update File: oci-auth.config.jsonc' }, true],
  ['write', { filePath: 'notes.md', content: 'The secret is in ~/.secrets' }, false],
  ['bash', { command: 'ls' }, false],
  ['todoread', undefined, false],
])) {
  test(`without the helper ${tool} of ${JSON.stringify(args)} is ${denied ? 'denied' : 'let through'}`, async (t) => {
    useHelper(t, '/nowhere/oci-oidc-helper')
    const hooks = await plugin({ directory: temporaryDirectory(t) })
    t.after(() => hooks.dispose())
    const call = hooks['tool.execute.before']({ tool }, { args })
    await (denied ? assert.rejects(call, /not for the model/) : call)
  })
}
