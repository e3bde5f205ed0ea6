// The packages of a release as npm would install them, with programs of the tests' own.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryDirectory } from './setup.js'

const TARGETS = ['linux', 'darwin', 'windows'].flatMap((goos) => ['amd64', 'arm64'].map((goarch) => ({ goos, goarch })))

/**
 * Packs a release in which each platform's program has the given content.
 * @param {import('node:test').TestContext} t
 * @param {{ version: string, program: string | Buffer }} release
 * @returns {string} the folder of the packages
 */
export function pack(t, { version, program }) {
  const cwd = temporaryDirectory(t)
  const dist = join(cwd, 'dist')
  mkdirSync(dist)
  const artifacts = TARGETS.map(({ goos, goarch }) => {
    const path = join('dist', `${goos}_${goarch}`)
    writeFileSync(join(cwd, path), program)
    return { type: 'Binary', path, goos, goarch }
  })
  writeFileSync(
    join(dist, 'artifacts.json'),
    JSON.stringify([...artifacts, { type: 'Checksum', path: 'dist/checksums.txt' }]),
  )
  writeFileSync(join(dist, 'metadata.json'), JSON.stringify({ version }))
  execFileSync(process.execPath, [fileURLToPath(new URL('../packaging/pack.js', import.meta.url)), 'dist'], { cwd })
  return join(dist, 'npm')
}

/**
 * Unpacks the plugin, and the helpers of some platforms, into the folder node_modules
 * of a new project.
 * @param {import('node:test').TestContext} t
 * @param {string} packages
 * @param {string[]} platforms
 */
export function install(t, packages, platforms) {
  const project = temporaryDirectory(t)
  for (const file of readdirSync(packages)) {
    const platform = file.match(/helper-(\w+-\w+)-/)?.[1]
    if (platform && !platforms.includes(platform)) continue
    const folder = join(
      project,
      'node_modules',
      ...(platform ? ['@opencode-oci-oidc', `helper-${platform}`] : ['opencode-oci-oidc']),
    )
    mkdirSync(folder, { recursive: true })
    execFileSync('tar', ['-xzf', join(packages, file), '--strip-components=1'], { cwd: folder })
  }
  return project
}
