import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))

test('main exports functions only, since OpenCode up to 1.3 calls them all', async () => {
  const entry = await import(new URL(manifest.main, new URL('..', import.meta.url)).href)
  assert.deepEqual(
    Object.entries(entry).map(([name, value]) => [name, typeof value]),
    [['default', 'function']],
  )
})

test('./server is {id, server}, for OpenCode from 1.14 on', async () => {
  const { default: entry } = await import(new URL(manifest.exports['./server'], new URL('..', import.meta.url)).href)
  assert.deepEqual([entry.id, typeof entry.server], ['oci-oidc', 'function'])
})

test('./tui is what opencode plugin writes into tui.json for', () => {
  const text = readFileSync(new URL(`../${manifest.exports['./tui']}`, import.meta.url), 'utf8')
  assert.match(text, /export default \{ id: 'oci-oidc', tui.*\}/)
})

test('nothing runs at installation and nothing else is installed', () => {
  assert.equal(manifest.dependencies, undefined)
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.equal(manifest.scripts[script], undefined)
})

test('the package holds what it needs and no tests', () => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  const files = JSON.parse(stdout)[0].files.map((/** @type {{ path: string }} */ { path }) => path)
  for (const path of [
    'server.js',
    'tui.js',
    'hosts/v1/plugin.js',
    'lib/interface.d.ts',
    'oci-auth.config.example.jsonc',
    'README.md',
    'LICENSE',
    'package.json',
  ]) {
    assert.ok(files.includes(path), path)
  }
  assert.deepEqual(
    files.filter((/** @type {string} */ path) => /test|tsconfig|npmrc|lock/.test(path)),
    [],
  )
})

test('whatever a module imports exists, even in its comments, since OpenCode 1.14 opens it all', () => {
  for (const name of [
    'server.js',
    'tui.js',
    ...['lib', 'hosts/v1', 'hosts/v2'].flatMap((folder) =>
      readdirSync(new URL(`../${folder}`, import.meta.url)).map((name) => `${folder}/${name}`),
    ),
  ]) {
    const url = new URL(`../${name}`, import.meta.url)
    for (const [, specifier] of readFileSync(url, 'utf8').matchAll(/(?:import\(|from )'(\.[^']+)'/g)) {
      assert.ok(existsSync(new URL(String(specifier), url)), `${name} imports ${specifier}`)
    }
  }
})
