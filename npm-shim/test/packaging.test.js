import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { install, pack } from '../testing/install.js'

const version = '1.2.3'
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']

test('a release is one package a platform and the plugin, the same bytes each time', (t) => {
  const [first, second] = [1, 2].map(() => pack(t, { version, program: 'a program' }))
  assert.ok(first && second)
  const files = readdirSync(first).sort()
  assert.deepEqual(files, [
    'opencode-oci-oidc-1.2.3.tgz',
    ...PLATFORMS.map((platform) => `opencode-oci-oidc-helper-${platform}-1.2.3.tgz`),
  ])
  for (const file of files) assert.ok(readFileSync(join(first, file)).equals(readFileSync(join(second, file))), file)
})

test('what the packages say and hold', (t) => {
  const modules = join(install(t, pack(t, { version, program: 'a program' }), PLATFORMS), 'node_modules')
  const manifest = (/** @type {string} */ name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'))

  const plugin = manifest('opencode-oci-oidc')
  const names = PLATFORMS.map((platform) => `@opencode-oci-oidc/helper-${platform}`)
  assert.equal(plugin.version, version)
  assert.deepEqual(plugin.optionalDependencies, Object.fromEntries(names.map((name) => [name, version])))
  assert.deepEqual([plugin.dependencies, plugin.devDependencies, plugin.scripts], [undefined, undefined, undefined])
  assert.match(
    readFileSync(join(modules, 'opencode-oci-oidc', 'README.md'), 'utf8'),
    /opencode plugin opencode-oci-oidc@1\.2\.3 -g/,
  )

  for (const name of names) {
    const { os, cpu, scripts, license, ...rest } = manifest(name)
    assert.equal(rest.version, version)
    assert.equal(name, `@opencode-oci-oidc/helper-${os}-${cpu}`)
    assert.deepEqual([scripts, license], [undefined, 'MIT'])
    const program = os[0] === 'win32' ? 'oci-oidc-helper.exe' : 'oci-oidc-helper'
    assert.deepEqual(readdirSync(join(modules, name)).sort(), ['LICENSE', 'README.md', 'bin', 'package.json'])
    assert.deepEqual(readdirSync(join(modules, name, 'bin')), [program])
    if (process.platform !== 'win32') assert.equal(statSync(join(modules, name, 'bin', program)).mode & 0o777, 0o755)
  }
})

test('what is packed is what git has', (t) => {
  const { files } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const tracked = execFileSync('git', ['ls-files', ...files], { cwd: new URL('..', import.meta.url), encoding: 'utf8' })
    .trim()
    .split('\n')
  const plugin = join(install(t, pack(t, { version, program: 'a program' }), []), 'node_modules', 'opencode-oci-oidc')
  const held = readdirSync(plugin, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length
  assert.equal(held, tracked.length + ['package.json', 'README.md', 'LICENSE'].length)
})
