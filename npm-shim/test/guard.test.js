import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loaded, realHelper, script, temporaryDirectory, useHelper } from '../testing/setup.js'

test('the helper judges, with all arguments', async (t) => {
  const { directory, asked } = script(t, {
    guard: [{ result: { deny: 'That is the client secret.' } }, { result: { deny: '' } }],
  })
  const { hooks } = await loaded(t, directory)
  const before = hooks['tool.execute.before']
  const args = { filePath: '/home/me/link', content: 'x' }
  await assert.rejects(before({ tool: 'read' }, { args }), { message: 'That is the client secret.' })
  await before({ tool: 'read' }, { args: { filePath: '/home/me/.secrets/x' } })
  assert.deepEqual(asked('guard')[0].params, { tool: 'read', args, directory })
})

for (const [what, args] of /** @type {[string, (secret: string) => [string, object]][]} */ ([
  ['a command', (secret) => ['bash', { command: `cat ${secret} # ${'x'.repeat(1_200_000)}` }]],
  ['a command in Chinese', (secret) => ['bash', { command: `cat ${secret} # ${'你'.repeat(400_000)}` }]],
  ['a patch', (secret) => ['apply_patch', { patchText: `*** Update File: ${secret}\n${'+x\n'.repeat(600_000)}` }]],
  ['another tool', (secret) => ['mcp_files_read', { path: secret, text: 'x'.repeat(1_200_000) }]],
])) {
  test(`however long the arguments, they are judged: ${what}`, async (t) => {
    useHelper(t, realHelper())
    const { hooks } = await loaded(t, temporaryDirectory(t))
    const [tool, given] = args('~/.secrets/x')
    await assert.rejects(
      hooks['tool.execute.before']({ tool }, { args: given }),
      /keeps .*\.secrets from agents|cannot judge this command: it is too long/,
    )
    const [, harmless] = args('notes.txt')
    if (tool !== 'bash') await hooks['tool.execute.before']({ tool }, { args: harmless })
  })
}

test('without the helper nothing is let through, and the reason is told', async (t) => {
  useHelper(t, '/nowhere/oci-oidc-helper')
  const { hooks } = await loaded(t, temporaryDirectory(t))
  for (const [tool, args] of /** @type {[string, object | undefined][]} */ ([
    ['read', { filePath: 'README.md' }],
    ['bash', { command: 'ls' }],
    ['todoread', undefined],
  ])) {
    await assert.rejects(
      hooks['tool.execute.before']({ tool }, { args }),
      /could not judge it\.\nThe program .* does not exist/,
    )
  }
})

test('what has no JSON is not let through', async (t) => {
  const { directory, asked } = script(t, { guard: [{ result: {} }] })
  const { hooks } = await loaded(t, directory)
  await assert.rejects(hooks['tool.execute.before']({ tool: 'read' }, { args: { n: 1n } }), /could not judge it/)
  assert.equal(asked('guard').length, 0)
})

for (const result of [null, 7, []]) {
  test(`a judgement that is none denies: ${JSON.stringify(result)}`, async (t) => {
    const { directory } = script(t, { guard: [{ result }] })
    const { hooks } = await loaded(t, directory)
    await assert.rejects(hooks['tool.execute.before']({ tool: 'read' }, { args: {} }), /could not judge it/)
  })
}
