// Finds and starts the helper's program, and explains why it is missing or does not run. npm
// installs it as one of this package's optional dependencies, chosen by os and cpu. The
// messages about that are here because there is no helper to write them.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HelperLost, Problem } from './problem.js'

const SCOPE = '@opencode-oci-oidc'
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']
const HERE = `${process.platform}-${process.arch}`
const require = createRequire(import.meta.url)
// The node_modules folder that the plugin is installed in, if any.
const modules = fileURLToPath(import.meta.url).match(/^.*?[\\/]node_modules(?=[\\/])/)?.[0]
const again = `Remove ${modules} and install the plugin again with "opencode plugin".`
const problem = (/** @type {string} */ message, /** @type {string} */ hint) => new Problem('config', message, hint)

/**
 * Starts the program; throws a problem if that cannot be done.
 * @template {{ end(problem: Problem): void }} T
 * @param {(child: import('node:child_process').ChildProcessWithoutNullStreams) => T} attach
 */
export function launch(attach) {
  const path = process.env.OCI_OIDC_HELPER || installedHelper()
  try {
    const child = spawn(path, ['--stdio'], { windowsHide: true })
    // Without free file descriptors Node gives no streams, and an event that must have a listener.
    const wire = child.stdin ? attach(child) : undefined
    child.on('error', (error) => wire?.end(notStarted(path, error)))
    if (!wire) throw { code: 'EMFILE' }
    // A file that is not a program may be run by a shell, which then ends with an error.
    child.on('exit', (code, signal) => {
      wire.end(foreign(path) ?? new HelperLost(`ended unexpectedly (${signal ?? `exit code ${code}`})`))
    })
    return wire
  } catch (error) {
    throw notStarted(path, error) // Bun throws here for a binary of another platform
  }
}

function installedHelper() {
  const name = `${SCOPE}/helper-${HERE}`
  try {
    const program = HERE.startsWith('win32') ? 'oci-oidc-helper.exe' : 'oci-oidc-helper'
    return join(dirname(require.resolve(`${name}/package.json`)), 'bin', program)
  } catch {
    throw missing(name)
  }
}

/** @param {string} name */
function missing(name) {
  const build = 'Build cmd/oci-oidc-helper for it and set OCI_OIDC_HELPER to the path of the program.'
  const none = `opencode-oci-oidc has no helper for ${HERE}; there is one for ${PLATFORMS.join(', ')}.`
  if (!PLATFORMS.includes(HERE)) return problem(none, build)
  const [other, ...more] = installed()
  if (other) {
    const mac = [HERE, other].every((platform) => platform.startsWith('darwin'))
    const arm = mac ? ' Best with the OpenCode for Apple silicon (arm64) alone.' : ''
    const where = `The plugin was installed for ${[other, ...more].join(', ')}, but OpenCode runs as ${HERE}`
    return problem(`${where}: ${mac ? 'one of the two goes through Rosetta' : mixture(other)}.`, `${again}${arm}`)
  }
  if (!modules) {
    const build = 'Run "make build" there and set OCI_OIDC_HELPER to the path of build/oci-oidc-helper.'
    return problem('The plugin runs from a clone, which has no helper in it.', build)
  }
  const why = 'optional dependencies were left out when the plugin was installed, as "omit=optional" in an .npmrc does'
  return problem(`The package ${name} is missing: ${why}.`, `Remove that setting. ${again}`)
}

/**
 * Why the files of another platform may be here.
 * @param {string} other
 */
function mixture(other) {
  const systems = [HERE, other].map((platform) => platform.split('-')[0]).sort()
  if (systems.join() === 'linux,win32') return 'Windows and WSL share these files, and each needs its own'
  return 'these files come from another computer or container'
}

/** The platforms of all helper packages that are installed. */
function installed() {
  return (require.resolve.paths(SCOPE) ?? []).flatMap((folder) => {
    try {
      return readdirSync(join(folder, SCOPE)).map((name) => name.replace('helper-', ''))
    } catch {
      return []
    }
  })
}

/**
 * Why the program at path did not start.
 * @param {string} path
 * @param {any} error
 */
function notStarted(path, error) {
  if (error?.code === 'ENOENT') {
    const why = 'A virus scanner may have removed it, or the installation was interrupted.'
    return problem(`The program ${path} does not exist.`, `${why} ${repair(path)}`)
  }
  if (error?.code === 'EACCES' || error?.code === 'EPERM') {
    const who = 'ask who blocks unknown programs or forbids programs on that disk'
    return problem(`The system refuses to run ${path}.`, `Make it executable (chmod +x), or ${who}.`)
  }
  const full = /^(E[MN]FILE|EAGAIN|ENOMEM)$/.test(error?.code)
  const hint = full ? 'Too many files or processes are open: close some, or raise the limit (ulimit).' : repair(path)
  return foreign(path) ?? problem(`The program ${path} does not run on ${HERE} (${error?.code ?? error}).`, hint)
}

/**
 * A problem if the program is for another platform. Only checked after a failure, because
 * Rosetta and Windows on ARM can run some such programs.
 * @param {string} path
 */
function foreign(path) {
  let made
  try {
    made = madeFor(readFileSync(path))
  } catch {
    return undefined
  }
  if (made === HERE) return undefined
  if (!made) return problem(`The file ${path} is no program, or damaged.`, repair(path))
  return problem(`The program ${path} is made for ${made}, but OpenCode runs as ${HERE}.`, repair(path))
}

/** @param {string} path */
function repair(path) {
  const own = path === process.env.OCI_OIDC_HELPER
  return own ? 'Correct OCI_OIDC_HELPER, or unset it to use the helper that comes with the plugin.' : again
}

const MACHINES = { 62: 'x64', 34404: 'x64', 16777223: 'x64', 183: 'arm64', 43620: 'arm64', 16777228: 'arm64' }

/**
 * The platform in the header of a program (ELF, Mach-O or PE). A script counts as one for this platform.
 * @param {Buffer} head
 */
function madeFor(head) {
  const word = (/** @type {number} */ at) => (at + 4 <= head.length ? head.readUInt32LE(at) : 0)
  const on = (/** @type {string} */ system, /** @type {number} */ machine) =>
    `${system}-${/** @type {Record<number, string>} */ (MACHINES)[machine]}`
  if (head.toString('latin1', 0, 2) === '#!') return HERE
  if (word(0) === 0x464c457f) return on('linux', word(18) & 0xffff)
  if (word(0) === 0xfeedfacf) return on('darwin', word(4))
  return head.toString('latin1', 0, 2) === 'MZ' ? on('win32', word(word(0x3c) + 4) & 0xffff) : undefined
}
