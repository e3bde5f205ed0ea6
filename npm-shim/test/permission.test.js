import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configure } from '../lib/config.js'
import { protect } from '../lib/permission.js'
import { scriptedHelper } from '../testing/setup.js'

const secrets = join(homedir(), '.secrets')
const settings = join(homedir(), 'settings.jsonc')
const kept = { protected: [secrets], readOnly: [settings] }
const worktree = join(homedir(), 'work')

/**
 * OpenCode's own decision: of the rules that match, the last.
 * @param {import('../lib/types.js').Permission | undefined} permission
 * @param {string} tool
 * @param {string} asked
 */
function decide(permission, tool, asked) {
  /** @type {string | undefined} */
  let action
  const matches = (/** @type {string} */ text, /** @type {string} */ pattern) =>
    new RegExp('^' + pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*') + '$', 's').test(text)
  for (const [name, rule] of Object.entries(permission ?? {})) {
    if (!matches(tool, name)) continue
    for (const [pattern, value] of Object.entries(typeof rule === 'string' ? { '*': rule } : rule)) {
      if (matches(asked, pattern)) action = value
    }
  }
  return action
}

for (const [name, written] of /** @type {[string, import('../lib/types.js').Permission | undefined][]} */ ([
  ['nothing', undefined],
  ['one word', 'allow'],
  ['a word a tool', { read: 'allow', edit: 'allow', bash: 'allow', external_directory: 'allow' }],
  ['patterns', { '*': 'ask', read: { '*': 'allow', '*.env': 'ask' }, edit: { '*': 'allow' }, bash: { 'git *': 'allow', '*': 'allow' } }],
])) {
  test(`the secrets are denied where the person wrote ${name}`, () => {
    const config = { permission: structuredClone(written) }
    protect(config, kept, worktree)
    const { permission } = config
    for (const [tool, asked] of /** @type {[string, string][]} */ ([
      ['read', secrets],
      ['read', join(secrets, 'x')],
      ['read', '../.secrets/x'],
      ['edit', '../.secrets/x'],
      ['edit', '../settings.jsonc'],
      ['external_directory', join(secrets, '*')],
      ['bash', 'cat ~/.secrets/x'],
      ['bash', 'cat $HOME/.secrets/x'],
      ['bash', `cat ${secrets}/x`],
      ['bash', 'oci-oidc-helper token --format env'],
    ])) {
      assert.equal(decide(permission, tool, asked), 'deny', `${tool} ${asked}`)
    }
    for (const [tool, asked] of /** @type {[string, string][]} */ ([
      ['read', 'README.md'],
      ['read', settings],
      ['edit', 'src/x'],
      ['bash', 'git status'],
      ['bash', 'git commit -m "keep it in \'~/.secrets\'"'],
      ['bash', 'oci-oidc-helper status'],
      ['grep', 'x'],
    ])) {
      const before = typeof written === 'string' ? written : decide(written, tool, asked)
      assert.equal(decide(permission, tool, asked), before, `${tool} ${asked}`)
    }
  })
}

test("the person's own rules stay, and win where they name something", () => {
  const own = { read: { '*': 'ask', [join(secrets, '*')]: 'allow', '*.pem': 'deny' }, bash: { '*': 'allow', 'cat *': 'ask' } }
  const config = { permission: structuredClone(own) }
  protect(config, kept, worktree)
  assert.equal(decide(config.permission, 'read', join(secrets, 'x')), 'allow')
  assert.equal(decide(config.permission, 'read', 'a.pem'), 'deny')
  assert.equal(decide(config.permission, 'read', 'a'), 'ask')
  assert.equal(decide(config.permission, 'bash', 'cat ~/.secrets/x'), 'ask')
  assert.equal(decide(config.permission, 'bash', 'less ~/.secrets/x'), 'deny')
})

test('agents with rules of their own get them, the others stay as they are', () => {
  const config = {
    agent: { free: { permission: 'allow', prompt: 'x' }, plain: { prompt: 'y' }, off: undefined },
    mode: { old: { permission: { bash: 'allow' } } },
  }
  const before = structuredClone(config)
  protect(config, kept, worktree)
  assert.equal(decide(config.agent.free.permission, 'read', join(secrets, 'x')), 'deny')
  assert.equal(decide(config.agent.free.permission, 'bash', 'ls'), 'allow')
  assert.equal(config.agent.free.prompt, 'x')
  assert.equal(decide(config.mode.old.permission, 'bash', 'cat ~/.secrets/x'), 'deny')
  assert.deepEqual(config.agent.plain, before.agent.plain)
})

test('what the config hook was given is not changed inside, and the same twice is the same', () => {
  const permission = Object.freeze({ read: Object.freeze({ '*': 'allow' }) })
  const config = { permission: /** @type {import('../lib/types.js').Permission} */ (permission) }
  protect(config, kept, worktree)
  const once = structuredClone(config)
  protect(config, kept, worktree)
  assert.deepEqual(config, once)
})

test('the rules are made of what the helper says, also without a usable configuration', async (t) => {
  const { helper } = scriptedHelper(t, {
    initialize: [{ result: { protocol: 1, helper: { version: '0', platform: 'fake' }, problem: { kind: 'config', message: 'none' }, ...kept } }],
  })
  /** @type {import('../lib/types.js').OpenCodeConfig} */
  const config = { permission: 'allow' }
  await configure(helper, config, worktree)
  assert.equal(decide(config.permission, 'read', join(secrets, 'x')), 'deny')
  assert.equal(decide(config.permission, 'bash', 'ls'), 'allow')
})
