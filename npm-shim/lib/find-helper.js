// Where the helper's binary is. npm chooses it among the optional dependencies of this
// package by os and cpu; every way that is known to fail has its sentence here.
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Problem } from './problem.js'

const SCOPE = '@opencode-oci-oidc'
const PLATFORMS = ['darwin-arm64', 'darwin-x64', 'linux-arm64', 'linux-x64', 'win32-arm64', 'win32-x64']

/**
 * @param {{ env?: NodeJS.ProcessEnv, platform?: string, from?: string }} [options]
 * @returns {string} the path of the binary
 */
export function findHelper({ env = process.env, platform = `${process.platform}-${process.arch}`, from = import.meta.url } = {}) {
  if (env.OCI_OIDC_HELPER) return env.OCI_OIDC_HELPER
  const name = `${SCOPE}/helper-${platform}`
  const require = createRequire(from)
  try {
    const manifest = require.resolve(`${name}/package.json`)
    return join(dirname(manifest), 'bin', platform.startsWith('win32') ? 'oci-oidc-helper.exe' : 'oci-oidc-helper')
  } catch {
    throw missing(name, platform, installed(require))
  }
}

/**
 * @param {string} name
 * @param {string} platform
 * @param {string[]} others
 */
function missing(name, platform, others) {
  if (!PLATFORMS.includes(platform)) {
    return new Problem(
      'config',
      `opencode-oci-oidc has no helper for ${platform}; there is one for ${PLATFORMS.join(', ')}.`,
      'Build cmd/oci-oidc-helper for it and set OCI_OIDC_HELPER to the path of the program.',
    )
  }
  if (others.length > 0) {
    // A node_modules from another system: a container, WSL, Rosetta, a copied home directory.
    return new Problem(
      'config',
      `The package ${name} is missing, but ${others.join(', ')} is there: these files were installed for another platform.`,
      'Remove this installation of the plugin and install it again on this computer.',
    )
  }
  return new Problem(
    'config',
    `The package ${name} is missing: it was left out when the plugin was installed, as "--omit=optional" in npm's settings does.`,
    `Install the plugin again with optional dependencies, or set OCI_OIDC_HELPER to the path of the program oci-oidc-helper.`,
  )
}

/**
 * The helper packages beside this one, for whatever platform.
 * @param {NodeJS.Require} require
 */
function installed(require) {
  return (require.resolve.paths(SCOPE) ?? []).flatMap((folder) => {
    try {
      return readdirSync(join(folder, SCOPE)).map((name) => `${SCOPE}/${name}`)
    } catch {
      return []
    }
  })
}

/**
 * Why the program at path does not start.
 * @param {string} path
 * @param {unknown} error
 */
export function notStarted(path, error) {
  const code = /** @type {NodeJS.ErrnoException} */ (error)?.code
  if (code === 'ENOENT') {
    return new Problem('config', `The program ${path} does not exist.`, 'Install the plugin again, or correct OCI_OIDC_HELPER.')
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new Problem('config', `The system refuses to run ${path}.`, `Make it executable (chmod +x), or ask who blocks unknown programs on this computer.`)
  }
  return new Problem(
    'config',
    `The program ${path} does not run on ${process.platform}-${process.arch} (${code ?? error}).`,
    'Remove this installation of the plugin and install it again on this computer.',
  )
}
