// What the tests share: scripted helpers, HTTP servers, a clean environment.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import plugin from '../hosts/v1/plugin.js'
import { acquire } from '../lib/helper.js'

/** @typedef {import('node:test').TestContext} TestContext */

const built = process.env.OCI_OIDC_HELPER

/** @param {TestContext} t */
export function temporaryDirectory(t) {
  const directory = mkdtempSync(join(tmpdir(), 'oci-oidc-shim-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/**
 * Makes the helper of this test a scripted one; see fake-helper.js.
 * @param {TestContext} t
 * @param {object} script
 */
export function script(t, script) {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'script.json')
  writeFileSync(path, JSON.stringify(script))
  process.env.FAKE_HELPER = path
  useHelper(t, fileURLToPath(new URL('fake-helper.js', import.meta.url)))
  /** @returns {any[]} what the helper was asked, over all its processes */
  const asked = (/** @type {string} */ method) =>
    existsSync(`${path}.log`)
      ? readFileSync(`${path}.log`, 'utf8')
          .split('\n')
          .slice(0, -1) // without a line that is being written
          .map((line) => JSON.parse(line))
          .filter((entry) => entry.method === method)
      : []
  const happens = (/** @type {string} */ event) => writeFileSync(`${path}.${event}`, '')
  return { directory, asked, happens }
}

/**
 * @param {TestContext} t
 * @param {string} path
 */
export function useHelper(t, path) {
  process.env.OCI_OIDC_HELPER = path
  t.after(() => {
    delete process.env.OCI_OIDC_HELPER
  })
}

/**
 * A helper of the given script, given back when the test ends.
 * @param {TestContext} t
 * @param {object} actions
 */
export function scriptedHelper(t, actions) {
  const { directory, asked } = script(t, actions)
  const helper = acquire(directory, 'test')
  t.after(() => helper.release())
  return { helper, asked, directory }
}

/**
 * @param {TestContext} t
 * @param {(request: { method: string, url: string, headers: import('node:http').IncomingHttpHeaders, body: string }, response: import('node:http').ServerResponse) => void} answer
 */
export async function serve(t, answer) {
  /** @type {{ method: string, url: string, headers: import('node:http').IncomingHttpHeaders, body: string }[]} */
  const requests = []
  const server = createServer(async (incoming, response) => {
    let body = ''
    for await (const chunk of incoming) body += chunk
    const request = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body }
    requests.push(request)
    answer(request, response)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return { origin: `http://127.0.0.1:${port}`, requests }
}

export const BASE_URL = 'http://127.0.0.1:2/v1'

/**
 * @param {string} accessToken
 * @param {{ minutes?: number, baseURL?: string, tls?: object }} [options] minutes: for how long it is lent, if it is
 */
export function token(accessToken, { minutes, baseURL = BASE_URL, tls } = {}) {
  const useUntil = minutes && inMinutes(minutes)
  return {
    result: { accessToken, tokenType: 'Bearer', expiresAt: inMinutes(60), baseURL, tls, ...(useUntil && { useUntil }) },
  }
}

/**
 * @param {string} kind
 * @param {string} message
 * @param {{ hint?: string, retryable?: boolean }} [more]
 */
export function problem(kind, message, { hint = '', retryable = false } = {}) {
  return { error: { code: -32000, message, data: { kind, hint, retryable } } }
}

/**
 * The plugin with its config hook called, disposed of when the test ends.
 * @param {TestContext} t
 * @param {string} directory
 * @param {any} [client]
 */
export async function loaded(t, directory, client) {
  // The plugin waits three seconds for its helper, which a busy machine may need to start it.
  const helper = acquire(directory, 'opencode-1')
  await helper.call('ping').catch(() => {})
  const hooks = await plugin({ directory, client })
  await helper.release()
  t.after(() => hooks.dispose())
  /** @type {any} */
  const config = {}
  await hooks.config(config)
  return { hooks, config, provider: config.provider['oci-oidc'] }
}

/** @param {number} minutes */
export function inMinutes(minutes) {
  return new Date(Date.now() + minutes * 60_000).toISOString()
}

/**
 * Polls until what is expected has come about.
 * @param {() => boolean | Promise<boolean>} condition
 */
export async function eventually(condition) {
  for (let left = 6_000; left > 0; left--) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('it did not come about within a minute')
}

/** The real helper: the one that make has built, or one built now. */
export function realHelper() {
  if (built) return built
  const path = join(mkdtempSync(join(tmpdir(), 'oci-oidc-helper-')), 'oci-oidc-helper')
  execFileSync('go', ['build', '-o', path, './cmd/oci-oidc-helper'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
  })
  process.once('exit', () => rmSync(path, { force: true }))
  return path
}
