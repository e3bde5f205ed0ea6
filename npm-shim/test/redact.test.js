import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { plugin } from '../lib/plugin.js'
import { configuration, realHelper, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const SECRET = 'Tr0ub4dor-and-three-correct-horses'

/**
 * The plugin with the real helper, in a project whose configuration holds SECRET.
 * @param {import('node:test').TestContext} t
 */
async function guarded(t) {
  useHelper(t, realHelper()) // first: building one needs the real HOME
  const home = temporaryDirectory(t)
  const directory = join(home, '.config', 'opencode')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'oci-auth.config.jsonc'), JSON.stringify({
    domain_url: 'https://idcs-1.identity.oraclecloud.com', client_id: 'c', client_secret: SECRET, llm_base_url: 'https://llm.example.com/v1',
  }))
  const before = { HOME: process.env.HOME, XDG_STATE_HOME: process.env.XDG_STATE_HOME, XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME }
  process.env.HOME = home
  delete process.env.XDG_STATE_HOME
  delete process.env.XDG_CONFIG_HOME
  t.after(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  const hooks = await plugin({ directory: home })
  t.after(() => hooks.dispose())
  return hooks['tool.execute.after']
}

test('secrets are taken out of all texts of a result, and nothing else is', async (t) => {
  const after = await guarded(t)
  const result = {
    title: `cat ${SECRET}`,
    output: `before ${SECRET} after`,
    metadata: { output: `x${SECRET}`, exit: 0, truncated: false, none: null, list: [SECRET, 'plain text'] },
    attachments: [{ type: 'file', url: `data:image/png;base64,${Buffer.from(`\x89PNG ${SECRET}`).toString('base64')}` }],
  }
  await after({ tool: 'bash' }, result)
  assert.equal(result.title, 'cat [redacted]')
  assert.equal(result.output, 'before [redacted] after')
  assert.deepEqual(result.metadata, { output: 'x[redacted]', exit: 0, truncated: false, none: null, list: ['[redacted]', 'plain text'] })
  assert.match(String(result.attachments[0]?.url), /^data:image\/png;base64,.*\[redacted\]/)

  const mcp = { content: [{ type: 'text', text: SECRET }, { type: 'text', text: 'fine' }] }
  await after({ tool: 'files_read' }, mcp)
  assert.deepEqual(mcp, { content: [{ type: 'text', text: '[redacted]' }, { type: 'text', text: 'fine' }] })
  await after({ tool: 'task' }, undefined)
})

test('a text longer than a line may be is cut, and whole again', async (t) => {
  const after = await guarded(t)
  const line = 'a line of Grüße, 你好 and 😀\n'
  const long = line.repeat(60_000)
  const place = 1_234_567
  const result = { output: long.slice(0, place) + SECRET + long.slice(place), metadata: { copy: long } }
  await after({ tool: 'bash' }, result)
  assert.equal(result.output, long.slice(0, place) + '[redacted]' + long.slice(place))
  assert.equal(result.metadata.copy, long)
  // Wherever the cut is, no more than a piece of the secret is left.
  for (const shift of [0, 7, 15, 20, SECRET.length]) {
    const cut = { output: 'x'.repeat(128 * 1024 - shift) + SECRET + 'y'.repeat(99) }
    await after({ tool: 'bash' }, cut)
    assert.match(cut.output, /x[^[]{0,15}(\[redacted\]){1,2}[^[]{0,15}y/)
  }
})

test('an ordinary result costs little', async (t) => {
  const after = await guarded(t)
  const output = 'func main() { fmt.Println("hello") }\n'.repeat(1300) // what OpenCode lets through of a command
  await after({ tool: 'bash' }, { output })
  const times = []
  for (let i = 0; i < 20; i++) {
    const start = performance.now()
    await after({ tool: 'bash' }, { title: 'x', output, metadata: { output } })
    times.push(performance.now() - start)
  }
  t.diagnostic(`${output.length} characters: ${times.sort((a, b) => a - b)[10]?.toFixed(1)} ms`)
})

test('without the helper a result stays as it is', async (t) => {
  useHelper(t, '/nowhere/oci-oidc-helper')
  const hooks = await plugin({ directory: temporaryDirectory(t) })
  t.after(() => hooks.dispose())
  const result = { output: 'some output' }
  await hooks['tool.execute.after']({ tool: 'bash' }, result)
  assert.deepEqual(result, { output: 'some output' })
})

test('a helper that answers nonsense changes nothing', async (t) => {
  const { directory } = script(t, { config: configuration('https://llm.example.com/v1'), redact: [{ result: { texts: [7, {}] } }, { result: null }] })
  const hooks = await plugin({ directory })
  t.after(() => hooks.dispose())
  for (let i = 0; i < 2; i++) {
    const result = { output: 'some output' }
    await hooks['tool.execute.after']({ tool: 'bash' }, result)
    assert.deepEqual(result, { output: 'some output' })
  }
})
