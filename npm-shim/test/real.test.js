// The whole way with the real helper, against the stand-in identity domain and endpoint.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import plugin from '../hosts/v1/plugin.js'
import { acquire } from '../lib/helper.js'
import { eventually, realHelper, serve, temporaryDirectory, useHelper } from '../testing/setup.js'

const helper = realHelper()
const repository = fileURLToPath(new URL('../..', import.meta.url))

const textOf = String
const SIGN_IN = `You are not signed in, or your session has ended.
Run /connect and choose "Company models (OCI identity domain)", or run "opencode auth login -p oci-oidc" in a terminal.`

/**
 * A home of its own with a configuration, and the stand-in that it names.
 * @param {import('node:test').TestContext} t
 */
async function world(t) {
  const home = temporaryDirectory(t)
  const binary = join(home, 'standin')
  execFileSync('go', ['build', '-o', binary, './demo/standin'], { cwd: repository })
  const running = spawn(binary, ['-auto-approve', '-auto-approve-devices', '-redirect', 'free'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => running.kill())
  const line = await new Promise((resolve) => createInterface({ input: running.stdout }).once('line', resolve))
  const standin = JSON.parse(line)
  const client = standin.clients.find((/** @type {any} */ { client_secret }) => client_secret)
  const redirect = client.redirect_uris.at(-1)

  useHelper(t, helper)
  // Nothing of this machine's own, and no browser: the test is the person.
  const environment = {
    HOME: home,
    USERPROFILE: home,
    XDG_CONFIG_HOME: '',
    XDG_STATE_HOME: join(home, 'state'),
    BROWSER: 'false',
    CI: '',
  }
  for (const [name, value] of Object.entries(environment)) {
    const before = process.env[name]
    process.env[name] = value
    t.after(() => (before === undefined ? delete process.env[name] : (process.env[name] = before)))
  }
  const directory = join(home, 'project')
  mkdirSync(directory)
  // The person's answer to what /connect asks of a project's configuration, given before.
  process.env.OCI_OIDC_TRUST_PROJECT = directory
  t.after(() => delete process.env.OCI_OIDC_TRUST_PROJECT)
  const configure = (/** @type {object} */ changes = {}) =>
    writeFileSync(
      join(directory, 'oci-auth.config.jsonc'),
      JSON.stringify({
        domain_url: standin.domain_url,
        client_id: client.client_id,
        client_secret: client.client_secret,
        redirect_uri: redirect,
        scope: `openid profile offline_access ${standin.scope}`,
        llm_base_url: standin.llm_base_url,
        ...changes,
      }),
    )
  const control = async (/** @type {object} */ command) => {
    const response = await fetch(standin.control_url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(command),
    })
    return /** @type {any} */ (await response.json())
  }
  return { directory, standin, control, configure }
}

/** @param {string} directory */
async function load(directory) {
  const hooks = await plugin({ directory })
  /** @type {any} */
  const config = {}
  await hooks.config(config)
  const { baseURL, fetch } = config.provider['oci-oidc'].options
  const ask = () => fetch(`${baseURL}/models`, {})
  return { hooks, baseURL, ask }
}

test('from nothing to an answer', async (t) => {
  const { directory, standin, control, configure } = await world(t)
  const { hooks, ask, baseURL } = await load(directory)
  t.after(() => hooks.dispose())

  await t.test('without a configuration the searched paths are told', async () => {
    assert.equal(baseURL, 'http://oci-oidc.invalid/v1')
    await assert.rejects(ask(), (/** @type {Error} */ error) =>
      error.message.includes(join(directory, 'oci-auth.config.jsonc')),
    )
  })

  configure()

  await t.test('with one, a sign-in is asked for, and the domain is left in peace', async () => {
    await assert.rejects(ask(), { message: SIGN_IN })
    assert.equal((await control({})).counts.token ?? 0, 0)
    assert.match(textOf(await hooks.tool.oci_oidc_status?.execute({})), /^Signed in +no$[^]*^Next step +.*\/connect/m)
  })

  for (const { label, authorize } of hooks.auth.methods) {
    await t.test(`"${label}" succeeds and leads to an answer`, async () => {
      const { url, callback, instructions } = await authorize()
      assert.notEqual(url, '', instructions)
      if (label.includes('browser')) assert.equal((await fetch(url)).status, 200)
      // The browser is sent to where nobody listens; the person copies that address.
      const pasted = label.includes('paste')
        ? ((await fetch(url, { redirect: 'manual' })).headers.get('location') ?? '')
        : undefined
      assert.equal((await callback(pasted ?? '')).type, 'success')
      assert.equal((await ask()).status, 200)
    })
  }

  await t.test('a lent token is taken back from an idle window when another one signs out', async () => {
    const here = acquire(directory, 'opencode-1')
    t.after(() => here.release())
    await eventually(() => here.lease() !== undefined)
    execFileSync(helper, ['logout'], { cwd: directory, stdio: 'ignore' })
    await eventually(() => here.lease() === undefined)
    await assert.rejects(ask(), { message: SIGN_IN })

    const signIn = await hooks.auth.methods[0]?.authorize()
    assert.equal((await fetch(signIn?.url ?? '')).status, 200)
    assert.equal((await signIn?.callback(''))?.type, 'success')
    await eventually(() => here.lease() !== undefined)
  })

  await t.test('a token that the endpoint no longer takes is renewed on the way', async () => {
    await control({ revoke_access_tokens: true })
    assert.equal((await ask()).status, 200)
  })

  await t.test('the tools know', async () => {
    assert.match(textOf(await hooks.tool.oci_oidc_refresh?.execute({})), /^The token was renewed and is valid for/)
    const status = textOf(await hooks.tool.oci_oidc_status?.execute({}))
    assert.match(status, /^Signed in +yes, as /m)
    assert.match(status, new RegExp(`^Endpoint +${standin.llm_base_url}`, 'm'))
  })

  await t.test(
    'a configuration with another endpoint is noticed by the way, and no token goes to the one before',
    async (t) => {
      const here = acquire(directory, 'opencode-1')
      t.after(() => here.release())
      await eventually(() => here.lease() !== undefined)
      const other = await serve(t, (_, response) => response.end('the other'))
      const atFirst = async () => (await control({})).counts.models
      const before = await atFirst()
      configure({ llm_base_url: `${other.origin}/v1` })
      await here.call('status') // as the status item asks
      await eventually(() => here.lease()?.origin === other.origin)
      for (const _ of [1, 2, 3]) assert.equal(await (await ask()).text(), 'the other')
      assert.equal(await atFirst(), before)
      assert.match(other.requests[0]?.headers.authorization ?? '', /^Bearer eyJ/)
      configure()
      await here.call('status')
      await eventually(() => here.lease()?.origin !== other.origin)
      assert.notEqual(await (await ask()).text(), 'the other')
    },
  )

  await t.test('the guard denies the configuration, which holds a secret', async () => {
    const before = hooks['tool.execute.before']
    await assert.rejects(before({ tool: 'read' }, { args: { filePath: join(directory, 'oci-auth.config.jsonc') } }))
    await before({ tool: 'read' }, { args: { filePath: join(directory, 'README.md') } })
  })

  await t.test('a session that the domain has ended asks for a sign-in, after one request', async () => {
    const before = (await control({ end_sessions: true, revoke_refresh_tokens: true, revoke_access_tokens: true }))
      .counts.token
    await assert.rejects(ask(), { message: SIGN_IN })
    await assert.rejects(ask(), { message: SIGN_IN })
    assert.equal((await control({})).counts.token - before, 1)
  })
})
