// Rules of OpenCode itself that deny the secrets: they hold before a tool is asked, and
// show the person what is kept. The guard sees more than they do.
import { homedir } from 'node:os'
import { relative } from 'node:path'

/**
 * Adds the rules to a configuration, and to its agents that have rules of their own.
 * The last rule that matches decides: what the person wrote for everything ("*") comes
 * before these, and what they wrote for something stays behind them, so that it wins.
 * @param {import('./types.js').OpenCodeConfig} config
 * @param {import('./types.js').Kept} kept
 * @param {string} worktree
 */
export function protect(config, kept, worktree) {
  const rules = rulesFor(kept, worktree)
  config.permission = withRules(config.permission, rules)
  for (const agents of /** @type {const} */ (['agent', 'mode'])) {
    const own = config[agents]
    if (!own) continue
    config[agents] = Object.fromEntries(
      Object.entries(own).map(([name, agent]) => [
        name,
        agent?.permission === undefined ? agent : { ...agent, permission: withRules(agent.permission, rules) },
      ]),
    )
  }
}

/**
 * The patterns to deny, by permission.
 * @param {import('./types.js').Kept} kept
 * @param {string} worktree
 * @returns {Record<string, string[]>}
 */
function rulesFor({ protected: hidden, readOnly }, worktree) {
  // Relative to the worktree, or absolute: that differs by version.
  const named = (/** @type {string[]} */ paths) =>
    paths.flatMap((path) => [path, relative(worktree, path)].flatMap((name) => [slashed(name), slashed(name) + '/*']))
  return {
    read: named(hidden),
    edit: named([...hidden, ...readOnly]),
    external_directory: hidden.map((path) => slashed(path) + '/*'),
    bash: ['*oci-oidc-helper token*', ...hidden.flatMap(names).flatMap((name) => [`*${name}/*`, `* ${name}`, `* ${name} *`])],
  }
}

/**
 * The ways in which a command names a path.
 * @param {string} path
 */
function names(path) {
  const inHome = slashed(relative(homedir(), path))
  const short = inHome.startsWith('..') ? [] : [`~/${inHome}`, `$HOME/${inHome}`]
  return [slashed(path), ...short]
}

/** @param {string} path */
function slashed(path) {
  return path.replaceAll('\\', '/')
}

/**
 * @param {import('./types.js').Permission | undefined} permission
 * @param {Record<string, string[]>} rules
 * @returns {import('./types.js').Permission}
 */
function withRules(permission, rules) {
  /** @type {Record<string, string | Record<string, string>>} */
  const all = typeof permission === 'string' ? { '*': permission } : { ...permission }
  for (const [tool, patterns] of Object.entries(rules)) {
    const written = all[tool] ?? {}
    const { '*': everything, ...own } = typeof written === 'string' ? { '*': written } : written
    const ours = patterns.filter((pattern) => !(pattern in own)).map((pattern) => [pattern, 'deny'])
    all[tool] = { ...(everything && { '*': everything }), ...Object.fromEntries(ours), ...own }
  }
  return all
}
