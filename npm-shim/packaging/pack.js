#!/usr/bin/env node
// The npm packages of a release, of the programs that goreleaser has built:
//
//   pack.js DIST
//
// run where goreleaser ran, reads DIST/artifacts.json and DIST/metadata.json and writes DIST/npm/*.tgz: the
// plugin, and one package a platform with the helper in it, all of one version. npm
// installs the one that fits, by os and cpu. Nothing of it is committed; the same
// programs give the same bytes.
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const shim = fileURLToPath(new URL('..', import.meta.url))
// As Node names what Go builds for.
const OS = { linux: 'linux', darwin: 'darwin', windows: 'win32' }
const CPU = { amd64: 'x64', arm64: 'arm64' }

const dist = resolve(process.argv[2] ?? 'dist')
const out = join(dist, 'npm')
const json = (/** @type {string} */ path) => JSON.parse(readFileSync(path, 'utf8'))

const { version } = json(join(dist, 'metadata.json'))
const { private: unpublished, scripts, devDependencies, ...manifest } = json(join(shim, 'package.json'))
const { license, homepage, bugs, repository, publishConfig } = manifest
const common = { version, license, homepage, bugs, repository, publishConfig }

rmSync(out, { recursive: true, force: true })
const helpers = json(join(dist, 'artifacts.json'))
  .filter((/** @type {any} */ { type }) => type === 'Binary')
  .map(helperPackage)
const packages = [...helpers, pluginPackage(helpers)].map(({ folder }) => folder)
const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', out, ...packages], {
  encoding: 'utf8',
  shell: process.platform === 'win32',
})
for (const folder of packages) rmSync(folder, { recursive: true })
process.stdout.write(packed)

/** @param {{ path: string, goos: keyof OS, goarch: keyof CPU }} artifact */
function helperPackage({ path, goos, goarch }) {
  const [os, cpu] = [OS[goos], CPU[goarch]]
  const name = `@${manifest.name}/helper-${os}-${cpu}`
  const program = goos === 'windows' ? 'oci-oidc-helper.exe' : 'oci-oidc-helper'
  const folder = stage(`helper-${os}-${cpu}`, {
    name,
    ...common,
    description: `The helper program of ${manifest.name} for ${os}-${cpu}`,
    os: [os],
    cpu: [cpu],
    // npm makes only what is named here executable for everybody.
    bin: { 'oci-oidc-helper': `bin/${program}` },
    files: ['bin/'],
  })
  mkdirSync(join(folder, 'bin'))
  copyFileSync(path, join(folder, 'bin', program))
  chmodSync(join(folder, 'bin', program), 0o755)
  writeFileSync(
    join(folder, 'README.md'),
    `The helper program of [${manifest.name}](https://www.npmjs.com/package/${manifest.name}) for ${os}-${cpu}. Install that one.\n`,
  )
  return { name, folder }
}

/** @param {{ name: string }[]} helpers */
function pluginPackage(helpers) {
  const optionalDependencies = Object.fromEntries(helpers.map(({ name }) => [name, version]).sort())
  const folder = stage('plugin', { ...manifest, ...common, optionalDependencies })
  for (const file of manifest.files) cpSync(join(shim, file), join(folder, file), { recursive: true })
  const readme = readFileSync(join(shim, 'README.md'), 'utf8')
  writeFileSync(join(folder, 'README.md'), readme.replace(/(opencode-oci-oidc@)\d\S*/g, `$1${version}`))
  return { name: manifest.name, folder }
}

/**
 * A folder for npm to pack, with what every package has.
 * @param {string} name
 * @param {object} manifest
 */
function stage(name, manifest) {
  const folder = join(out, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`)
  copyFileSync(join(shim, 'LICENSE'), join(folder, 'LICENSE'))
  return folder
}
