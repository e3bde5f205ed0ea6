// The tools of OpenCode 2 that reach files and processes.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

/**
 * @typedef {{
 *   directory: string,
 *   hooks: import('./host.js').Hooks,
 *   path(path?: string): string,
 *   allowed(action: string, ...resources: string[]): Promise<void>,
 *   call(tool: string, input: unknown): Promise<{ content?: string, error?: string }>,
 * }} Use
 */

// (Tools, guard, permissions) With their names and arguments.
/** @type {Record<string, (input: any, use: Use) => Promise<any>>} */
export const BUILT_IN = {
  async read({ path }, { path: at, allowed }) {
    await allowed('read', at(path))
    return statSync(at(path)).isDirectory() ? readdirSync(at(path)).join('\n') : readFileSync(at(path), 'utf8')
  },
  async glob({ pattern, path }, { path: at, allowed }) {
    await allowed('glob', pattern) // the pattern alone
    return filesBelow(at(path)).filter((file) => matches(file, `*${pattern.replaceAll('**/', '*')}`)).join('\n')
  },
  async grep({ pattern, path, include = '*' }, { path: at, allowed }) {
    await allowed('grep', pattern)
    const files = filesBelow(at(path)).filter((file) => matches(basename(file), include))
    const found = (/** @type {string} */ file) => readFileSync(file, 'utf8').split('\n').filter((line) => new RegExp(pattern).test(line))
    return files.flatMap((file) => found(file).map((line) => `${file}: ${line}`)).join('\n')
  },
  async edit({ path, oldString, newString }, { path: at, allowed }) {
    await allowed('edit', at(path))
    const before = readFileSync(at(path), 'utf8')
    writeFileSync(at(path), before.replace(oldString, newString))
    return 'Edited.'
  },
  async write({ path, content }, { path: at, allowed }) {
    await allowed('edit', at(path))
    writeFileSync(at(path), content)
    return 'Written.'
  },
  async patch({ patchText }, { path: at, allowed }) {
    const files = [...patchText.matchAll(/^\*\*\* (?:Add|Update|Delete) File: (.+)$/gm)].map(([, name]) => at(name))
    await allowed('edit', ...files)
    return files.map((file) => readFileSync(file, 'utf8')).join('\n')
  },
  async shell({ command, workdir }, { path: at, allowed, hooks }) {
    await allowed('shell', command)
    const creation = await hooks.trigger('shell.create.before', { command, cwd: at(workdir), timeout: 60_000, shell: '/bin/bash', env: { ...process.env } })
    const env = /** @type {Record<string, string>} */ (creation.env)
    const { stdout, stderr } = await promisify(execFile)(creation.shell, ['-c', creation.command], { cwd: creation.cwd, env, timeout: creation.timeout }).catch((error) => error)
    return `${stdout}${stderr}`
  },
  async webfetch({ url }, { allowed }) {
    await allowed('webfetch', url)
    return (await fetch(url)).text()
  },
  // The prompt of a subagent, and the code of execute, are calls here: there is no model.
  async subagent({ prompt }, { allowed, call }) {
    await allowed('subagent', 'general')
    return callsOf(prompt, call)
  },
  async execute({ code }, { call }) {
    return callsOf(code, call)
  },
}

/** @param {string} path @returns {string[]} the files at or below it; as ripgrep, it follows no links on the way */
function filesBelow(path) {
  if (!statSync(path).isDirectory()) return [path]
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => name !== 'node_modules')
  return entries.flatMap((entry) => (entry.isDirectory() || entry.isFile() ? filesBelow(join(path, entry.name)) : []))
}

/** @param {string} text @param {Use['call']} call */
async function callsOf(text, call) {
  const { tool, input } = JSON.parse(text)
  const { content, error } = await call(tool, input)
  return content ?? `Error: ${error}`
}

/** @param {string} text @param {string} pattern in which * is anything, and ? one character */
function matches(text, pattern) {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^]*').replaceAll('?', '[^]')
  return new RegExp(`^${source}$`).test(text)
}
