import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loaded, realHelper, script, temporaryDirectory, useHelper } from '../testing/setup.js'

const SECRET = 'Tr0ub4dor-and-three-correct-horses'

/**
 * The hook with the real helper, in a home whose configuration holds SECRET.
 * @param {import('node:test').TestContext} t
 * @param {string} [project] the project's own configuration
 */
async function guarded(t, project) {
  useHelper(t, realHelper()) // first: building one needs the real HOME
  const home = temporaryDirectory(t)
  const config = join(home, '.config', 'opencode')
  mkdirSync(config, { recursive: true })
  const text = {
    domain_url: 'https://idcs-1.identity.oraclecloud.com',
    client_id: 'c',
    client_secret: SECRET,
    llm_base_url: 'https://llm.example.com/v1',
  }
  writeFileSync(join(config, 'oci-auth.config.jsonc'), JSON.stringify(text))
  const directory = join(home, 'project')
  mkdirSync(directory)
  if (project !== undefined) writeFileSync(join(directory, 'oci-auth.config.jsonc'), project)
  const before = {
    HOME: process.env.HOME,
    XDG_STATE_HOME: process.env.XDG_STATE_HOME,
    XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME,
  }
  process.env.HOME = home
  delete process.env.XDG_STATE_HOME
  delete process.env.XDG_CONFIG_HOME
  t.after(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
  return (await loaded(t, directory)).hooks['tool.execute.after']
}

test('secrets are taken out of all texts of a result, and nothing else is', async (t) => {
  const after = await guarded(t)
  const image = Buffer.from(`\x89PNG ${SECRET}`).toString('base64')
  /** @type {any} */
  const result = {
    title: `cat ${SECRET}`,
    output: `before ${SECRET} after`,
    metadata: {
      output: `x${SECRET}`,
      exit: 0,
      truncated: false,
      none: null,
      list: [SECRET, 'plain text'],
      [SECRET]: 'key',
    },
    attachments: [{ type: 'file', url: `data:image/png;base64,${image}` }],
    frozen: Object.freeze({ deep: Object.freeze([SECRET]) }),
    bytes: new Uint8Array(10 << 20),
  }
  result.itself = result
  await after({ tool: 'bash' }, result)
  assert.equal(result.title, 'cat [redacted]')
  assert.equal(result.output, 'before [redacted] after')
  const list = ['[redacted]', 'plain text']
  assert.deepEqual(result.metadata, {
    output: 'x[redacted]',
    exit: 0,
    truncated: false,
    none: null,
    list,
    '[redacted]': 'key',
  })
  assert.match(String(result.attachments[0]?.url), /^data:image\/png;base64,.*\[redacted\]/)
  assert.deepEqual(result.frozen, { deep: ['[redacted]'] })
  assert.equal(result.bytes.length, 10 << 20)

  const mcp = {
    content: [
      { type: 'text', text: SECRET },
      { type: 'text', text: 'fine' },
    ],
  }
  await after({ tool: 'files_read' }, mcp)
  assert.deepEqual(mcp, {
    content: [
      { type: 'text', text: '[redacted]' },
      { type: 'text', text: 'fine' },
    ],
  })
  await after({ tool: 'task' }, undefined)
})

for (const [what, project] of /** @type {[string, string][]} */ ([
  [
    'unconfirmed',
    '{"domain_url":"https://idcs.other.example","client_id":"c","llm_base_url":"https://llm.other.example/v1","auth_method":"public_app","redirect_uri":"http://localhost:8888/callback","scope":"openid"}',
  ],
  ['broken', '{"domain_url":'],
  ['empty', ''],
])) {
  test(`the person's own secret is one, also while a project has a configuration that is ${what}`, async (t) => {
    const after = await guarded(t, project)
    const result = { output: SECRET }
    await after({ tool: 'bash' }, result)
    assert.equal(result.output, '[redacted]')
  })
}

test('a text of many megabytes is searched as a whole', async (t) => {
  const after = await guarded(t)
  const line = 'a line of Grüße, 你好 and 😀\n'
  const long = line.repeat(60_000)
  const place = 1_234_567
  const result = { output: long.slice(0, place) + SECRET + long.slice(place), metadata: { copy: long } }
  await after({ tool: 'bash' }, result)
  assert.equal(result.output, `${long.slice(0, place)}[redacted]${long.slice(place)}`)
  assert.equal(result.metadata.copy, long)
})

test('without the helper a result is withheld, and the reason is told', async (t) => {
  useHelper(t, '/nowhere/oci-oidc-helper')
  const { hooks } = await loaded(t, temporaryDirectory(t))
  await assert.rejects(
    hooks['tool.execute.after']({ tool: 'bash' }, { output: 'some output' }),
    /withheld.*\n.*does not exist/,
  )
})

for (const [what, action, result] of /** @type {[string, object, object][]} */ ([
  ['a helper that answers nothing', { result: null }, { output: 'some output' }],
  ['a helper that answers too little', { result: { texts: [] } }, { output: 'some output' }],
  ['a helper that refuses', { error: { code: 1, message: 'too long' } }, { output: 'some output' }],
  ['a helper that dies', { exit: 1 }, { output: 'some output' }],
  ['a result that cannot be changed', { result: { texts: ['clean', null] } }, Object.freeze({ some_output: 'text' })],
])) {
  test(`a result is withheld: ${what}`, async (t) => {
    const { directory } = script(t, { redact: [action] })
    const { hooks } = await loaded(t, directory)
    await assert.rejects(hooks['tool.execute.after']({ tool: 'bash' }, result), /withheld/)
  })
}
