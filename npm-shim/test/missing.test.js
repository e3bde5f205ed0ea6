// Every way in which the helper is known to be missing or of no use, brought about with
// the packages of a release, and what a person reads of it: at a request, and in /connect.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { install, pack } from '../testing/install.js'

const posix = { skip: process.platform === 'win32' && 'needs a Unix shell' }
const here = `${process.platform}-${process.arch}`
const other = here === 'linux-arm64' ? 'linux-x64' : 'linux-arm64'

/**
 * A helper that says that it runs, if it is asked by its own version.
 * @param {string} version
 */
const greeting = (version) => `#!/bin/sh
while read -r line; do
  id=$((id + 1))
  message="The helper runs."
  echo '{"jsonrpc":"2.0","id":'$id',"error":{"code":-32000,"message":"'$message'","data":{"kind":"config"}}}'
done
# ${version}
`

/** @type {string} */
let packages
before((t) => {
  packages = pack(/** @type {any} */ (t), { version: '1.2.3', program: greeting('1.2.3') })
})

/**
 * What a person reads who asks, and then tries to sign in.
 * @param {string} project
 * @param {{ platform?: string, env?: NodeJS.ProcessEnv }} [options]
 */
function reads(project, { platform = here, env = {} } = {}) {
  const entry = pathToFileURL(join(realpathSync(project), 'node_modules', 'opencode-oci-oidc', 'server.js')).href
  const [system, cpu] = platform.split('-')
  const program = `
    Object.defineProperty(process, 'platform', { value: '${system}' })
    Object.defineProperty(process, 'arch', { value: '${cpu}' })
    const { default: plugin } = await import('${entry}')
    const hooks = await plugin.server({ directory: process.cwd() })
    const config = {}
    await hooks.config(config)
    const { baseURL, fetch } = config.provider['oci-oidc'].options
    const request = await fetch(baseURL + '/models').then(String, (error) => error.message)
    const { instructions, callback } = await hooks.auth.methods[0].authorize()
    console.log(JSON.stringify({ request, instructions, result: await callback() }))
    await hooks.dispose()`
  const { OCI_OIDC_HELPER, ...clean } = process.env
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: project,
    env: { ...clean, ...env },
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(stderr, '')
  const { request, instructions, result } = JSON.parse(stdout)
  assert.deepEqual(result, { type: 'failed' })
  const text = request
  assert.equal(instructions, text)
  return text
}

/** @param {string} project */
const programOf = (project) =>
  join(realpathSync(project), 'node_modules', '@opencode-oci-oidc', `helper-${here}`, 'bin', 'oci-oidc-helper')

test('nothing is wrong', posix, (t) => {
  assert.match(reads(install(t, packages, [here])), /The helper runs/)
})

for (const [what, platforms, platform, expected] of /** @type {[string, string[], string, RegExp][]} */ ([
  [
    'left out by --omit=optional',
    [],
    here,
    /^The package @opencode-oci-oidc\/helper-[\w-]+ is missing: optional dependencies were left out.*\nRemove that setting\. Remove .*node_modules and install the plugin again with "opencode plugin"\.$/,
  ],
  [
    'copied from another computer',
    [other],
    here,
    /^The plugin was installed for linux-\w+, but OpenCode runs as \S+: these files come from another computer or container\.\nRemove .*node_modules and install/,
  ],
  [
    'Windows files used from WSL',
    ['win32-x64'],
    'linux-x64',
    /installed for win32-x64, but OpenCode runs as linux-x64: Windows and WSL share these files, and each needs its own\./,
  ],
  [
    'WSL files used from Windows',
    ['linux-x64'],
    'win32-x64',
    /installed for linux-x64, but OpenCode runs as win32-x64: Windows and WSL share/,
  ],
  [
    'an OpenCode for Intel under Rosetta',
    ['darwin-arm64'],
    'darwin-x64',
    /installed for darwin-arm64, but OpenCode runs as darwin-x64: one of the two goes through Rosetta\.\n.*Best with the OpenCode for Apple silicon \(arm64\) alone\.$/,
  ],
  [
    'a platform without a helper',
    [],
    'sunos-sparc',
    /^opencode-oci-oidc has no helper for sunos-sparc; there is one for darwin-arm64, .*\nBuild cmd\/oci-oidc-helper for it and set OCI_OIDC_HELPER/,
  ],
])) {
  test(`missing: ${what}`, (t) => assert.match(reads(install(t, packages, platforms), { platform }), expected))
}

for (const [what, spoil, expected] of /** @type {[string, (program: string) => void, RegExp][]} */ ([
  [
    'the program is gone',
    (program) => rmSync(program),
    /^The program .*oci-oidc-helper does not exist\.\nA virus scanner may have removed it, .* Remove .*node_modules and install/,
  ],
  [
    'it is not executable',
    (program) => chmodSync(program, 0o644),
    /^The system refuses to run .*\nMake it executable \(chmod \+x\)/,
  ],
  [
    'it is for another processor',
    (program) => writeFileSync(program, elf(here.endsWith('x64') ? 0xb7 : 0x3e)),
    /^The program .* is made for linux-\w+, but OpenCode runs as \S+\.\nRemove/,
  ],
  ['it is for macOS', (program) => writeFileSync(program, macho()), /is made for darwin-\w+, but OpenCode/],
  ['it is for Windows', (program) => writeFileSync(program, pe()), /is made for win32-x64, but OpenCode/],
  ['it is cut off', (program) => writeFileSync(program, ''), /^The file .* is no program, or damaged\.\nRemove/],
])) {
  test(`of no use: ${what}`, posix, (t) => {
    const project = install(t, packages, [here])
    spoil(programOf(project))
    assert.match(reads(project), expected)
  })
}

for (const [what, content, expected] of /** @type {[string, string | undefined, RegExp][]} */ ([
  ['does not exist', undefined, /does not exist\..*\n.*Correct OCI_OIDC_HELPER, or unset it/],
  ['was built in a clone', greeting('v1.2.2-5-g0123abc'), /The helper runs/],
  ['was built without a version', greeting('dev'), /The helper runs/],
])) {
  test(`OCI_OIDC_HELPER ${what}`, posix, (t) => {
    const project = install(t, packages, [])
    const OCI_OIDC_HELPER = join(project, 'mine')
    if (content) writeFileSync(OCI_OIDC_HELPER, content, { mode: 0o755 })
    assert.match(reads(project, { env: { OCI_OIDC_HELPER } }), expected)
  })
}

test('no file can be opened any more', posix, (t) => {
  const OCI_OIDC_HELPER = programOf(install(t, packages, [here]))
  const program = `
    const { launch } = await import('${new URL('../lib/program.js', import.meta.url).href}')
    const { Wire } = await import('${new URL('../lib/wire.js', import.meta.url).href}')
    const { openSync } = await import('node:fs')
    try { for (;;) openSync('/dev/null') } catch {}
    try { launch((child) => new Wire(child, () => {})) } catch (error) { console.log(error.text) }
    setImmediate(() => console.log('OpenCode goes on.'))`
  const { stdout, stderr } = spawnSync(
    'sh',
    ['-c', 'ulimit -n 100; exec "$0" "$@"', process.execPath, '--input-type=module', '-e', program],
    {
      env: { ...process.env, OCI_OIDC_HELPER },
      encoding: 'utf8',
    },
  )
  assert.match(stdout, /EMFILE\)\.\nToo many files .*\nOpenCode goes on\.\n$/, stderr)
})

test('in a clone there is no helper', () => {
  const { OCI_OIDC_HELPER, ...env } = process.env
  const program = `
    const { launch } = await import('${new URL('../lib/program.js', import.meta.url).href}')
    try { launch() } catch (error) { console.log(error.text) }`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { env, encoding: 'utf8' })
  assert.match(stdout, /^The plugin runs from a clone.*\nRun "make build" there and set OCI_OIDC_HELPER/)
})

/** @param {number} machine */
function elf(machine) {
  const head = Buffer.alloc(64)
  head.write('\x7fELF', 'latin1')
  head.writeUInt16LE(machine, 18)
  return head
}

function macho() {
  const head = Buffer.alloc(64)
  head.writeUInt32LE(0xfeedfacf)
  head.writeUInt32LE(process.arch === 'x64' ? 0x100000c : 0x1000007, 4)
  return head
}

function pe() {
  const head = Buffer.alloc(256)
  head.write('MZ')
  head.writeUInt32LE(0x80, 0x3c)
  head.write('PE\0\0', 0x80)
  head.writeUInt16LE(0x8664, 0x84)
  return head
}
