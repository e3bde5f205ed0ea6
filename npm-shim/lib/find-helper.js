// Where the helper's program is, and why it is not there or does not run. npm chooses
// the package with it among the optional dependencies of this one, by os and cpu; every
// way in which that is known to fail has its sentence here.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Problem } from './problem.js'

const SCOPE = '@opencode-oci-oidc'
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']
const HERE = `${process.platform}-${process.arch}`

/**
 * @param {{ env?: NodeJS.ProcessEnv, platform?: string, from?: string }} [options]
 * @returns {string} the path of the program
 */
export function findHelper({ env = process.env, platform = HERE, from = import.meta.url } = {}) {
  if (env.OCI_OIDC_HELPER) return env.OCI_OIDC_HELPER
  const name = `${SCOPE}/helper-${platform}`
  const require = createRequire(from)
  try {
    const manifest = require.resolve(`${name}/package.json`)
    return join(dirname(manifest), 'bin', platform.startsWith('win32') ? 'oci-oidc-helper.exe' : 'oci-oidc-helper')
  } catch {
    throw missing(name, platform, from, installed(require))
  }
}

/**
 * @param {string} name
 * @param {string} platform
 * @param {string} from
 * @param {string[]} others the platforms whose helpers are there
 */
function missing(name, platform, from, others) {
  if (!PLATFORMS.includes(platform)) {
    return new Problem(
      'config',
      `opencode-oci-oidc has no helper for ${platform}; there is one for ${PLATFORMS.join(', ')}.`,
      'Build cmd/oci-oidc-helper for it and set OCI_OIDC_HELPER to the path of the program.',
    )
  }
  const other = others[0]
  if (other) {
    return new Problem(
      'config',
      `The plugin was installed for ${others.join(', ')}, but OpenCode runs as ${platform}: ${mixture(platform, other)}.`,
      `${again(from)}${rosetta(platform, other) ? ' Best with the OpenCode for Apple silicon (arm64) alone.' : ''}`,
    )
  }
  if (!modules(from)) {
    return new Problem(
      'config',
      'The plugin runs from a clone, which has no helper in it.',
      'Run "make build" there and set OCI_OIDC_HELPER to the path of build/oci-oidc-helper.',
    )
  }
  return new Problem(
    'config',
    `The package ${name} is missing: optional dependencies were left out when the plugin was installed, as "omit=optional" in an .npmrc does.`,
    `Remove that setting. ${again(from)}`,
  )
}

/**
 * How files of another platform come to be here.
 * @param {string} platform
 * @param {string} other
 */
function mixture(platform, other) {
  if (rosetta(platform, other)) return 'one of the two goes through Rosetta'
  const systems = [platform, other].map((name) => name.split('-')[0]).sort().join()
  if (systems === 'linux,win32') return 'Windows and WSL share these files, and each needs its own'
  return 'these files come from another computer or container'
}

/**
 * @param {string} platform
 * @param {string} other
 */
function rosetta(platform, other) {
  return platform.startsWith('darwin') && other.startsWith('darwin')
}

/**
 * What to do when the files are not as they should be.
 * @param {string} [from]
 */
function again(from = import.meta.url) {
  return `Remove ${modules(from)} and install the plugin again with "opencode plugin".`
}

/**
 * The folder node_modules that the plugin is installed in, if it is.
 * @param {string} from
 */
function modules(from) {
  return fileURLToPath(from).match(/^.*?[\\/]node_modules(?=[\\/])/)?.[0]
}

/**
 * The platforms of the helper packages that are there, for whatever computer.
 * @param {NodeJS.Require} require
 */
function installed(require) {
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
 * @param {unknown} error
 */
export function notStarted(path, error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error)?.code
  if (code === 'ENOENT') {
    return new Problem('config', `The program ${path} does not exist.`, repair(path, 'A virus scanner may have removed it, or the installation was interrupted.'))
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new Problem(
      'config',
      `The system refuses to run ${path}.`,
      'Make it executable (chmod +x), or ask who blocks unknown programs or forbids programs on that disk.',
    )
  }
  return foreign(path) ?? new Problem('config', `The program ${path} does not run on ${HERE} (${code ?? error}).`, repair(path))
}

/**
 * A problem if the program is not made for this platform. Only asked when it failed:
 * Rosetta and Windows on ARM run such programs well.
 * @param {string} path
 */
export function foreign(path) {
  let made
  try {
    made = madeFor(path)
  } catch {
    return undefined
  }
  if (made === HERE) return undefined
  if (made) return new Problem('config', `The program ${path} is made for ${made}, but OpenCode runs as ${HERE}.`, repair(path))
  return new Problem('config', `The file ${path} is no program, or damaged.`, repair(path))
}

/**
 * @param {string} path
 * @param {string} [why]
 */
function repair(path, why) {
  const next = path === process.env.OCI_OIDC_HELPER ? 'Correct OCI_OIDC_HELPER, or unset it to use the helper that comes with the plugin.' : again()
  return why ? `${why} ${next}` : next
}

/**
 * The platform that the head of a program names. A script runs where it is.
 * @param {string} path
 */
function madeFor(path) {
  const head = headOf(path)
  const word = (/** @type {number} */ at) => (at + 4 <= head.length ? head.readUInt32LE(at) : 0)
  if (head.toString('latin1', 0, 2) === '#!') return HERE
  if (word(0) === 0x464c457f) return platform('linux', word(18) & 0xffff, { 0x3e: 'x64', 0xb7: 'arm64' })
  if (word(0) === 0xfeedfacf) return platform('darwin', word(4), { 0x1000007: 'x64', 0x100000c: 'arm64' })
  if (head.toString('latin1', 0, 2) === 'MZ') return platform('win32', word(word(0x3c) + 4) & 0xffff, { 0x8664: 'x64', 0xaa64: 'arm64' })
  return undefined
}

/**
 * @param {string} system
 * @param {number} machine
 * @param {Record<number, string>} names
 */
function platform(system, machine, names) {
  return `${system}-${names[machine] ?? 'unknown'}`
}

/**
 * The first bytes of a file that may be read.
 * @param {string} path
 */
function headOf(path) {
  const head = Buffer.alloc(1024)
  const file = openSync(path, 'r')
  try {
    return head.subarray(0, readSync(file, head))
  } finally {
    closeSync(file)
  }
}
