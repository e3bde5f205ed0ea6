import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusText, tools } from '../lib/tools.js'
import { configuration, inMinutes, problem, scriptedHelper } from '../testing/setup.js'

const config = configuration('https://llm.example.com/v1')
const status = {
  signedIn: true,
  subject: 'alice@example.com',
  expiresAt: inMinutes(38),
  refreshable: true,
  domain: 'https://idcs-1.identity.oraclecloud.com',
  endpoint: 'https://llm.example.com/v1',
  authMethod: 'confidential_app',
  configPath: '/home/me/oci-auth.config.jsonc',
  logPath: '/home/me/oci-oidc-debug.log',
  version: '1.2.3',
}

test('the status of a session in order', () => {
  const lines = statusText(status).split('\n')
  assert.deepEqual(lines.map((line) => line.slice(0, 13)), [
    'Signed in    ', 'Token        ', 'Refresh      ', 'Domain       ', 'Endpoint     ', 'Method       ', 'Configuration', 'Log          ', 'Versions     ', 'Next step    ',
  ])
  assert.equal(lines[0]?.slice(15), 'yes, as alice@example.com')
  assert.match(lines[1] ?? '', /valid for 38 minutes, until \d\d:\d\d.* \(local time\)$/)
  assert.equal(lines.at(-1)?.slice(15), 'nothing to do')
})

for (const [what, change, expected] of /** @type {[string, object, RegExp][]} */ ([
  ['not signed in', { signedIn: false, subject: undefined, expiresAt: undefined }, /^Signed in +no$[^]*^Next step +run \/connect/m],
  ['not refreshable', { refreshable: false }, /^Refresh +not possible: there is no refresh token$[^]*^Next step +sign in again with \/connect when/m],
  ['a problem of several lines', { problem: { kind: 'config', message: 'Searched:\n  /a', hint: 'Put it there.' } }, /^Problem {8}Searched:\n {17}\/a$/m],
  ['a problem', { problem: { kind: 'config', message: 'client_id is missing.', hint: 'Add it.' } }, /^Problem +client_id is missing\.$[^]*^Next step +Add it\.$/m],
])) {
  test(`the status of a session: ${what}`, () => assert.match(statusText({ ...status, ...change }), expected))
}

test('the tools answer in words, also when something is wrong', async (t) => {
  const { helper } = scriptedHelper(t, {
    config,
    status: [{ result: status }],
    refresh: [{ result: { expiresAt: inMinutes(60) } }, problem('login_required', 'Nobody is signed in.', { hint: 'Run /connect.' })],
  })
  const ask = async (/** @type {string} */ name) => /** @type {any} */ (await tools(helper)[name]?.execute({}))
  const told = await ask('oci_oidc_status')
  assert.match(told.title, /^Signed in as alice@example\.com, token valid for 38 minutes, until \d\d:\d\d$/)
  assert.match(told.output, /alice@example\.com/)
  const renewed = await ask('oci_oidc_refresh')
  assert.match(renewed.title, /^Token renewed, valid for 1 hour,/)
  assert.match(renewed.output, /^The token was renewed and is valid for 1 hour,.*\nNothing more to do/)
  assert.deepEqual(await ask('oci_oidc_refresh'), { title: 'A problem with the sign-in', output: 'Nobody is signed in.\nRun /connect.', metadata: {} })
})

test('for OpenCode up to 1.3 the tools answer with text alone', async (t) => {
  const { helper } = scriptedHelper(t, { config, status: [{ result: status }] })
  assert.match(String(await tools(helper, { plain: true }).oci_oidc_status?.execute({})), /^Signed in/)
})
