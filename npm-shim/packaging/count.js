#!/usr/bin/env node
// Counts the shim's lines of code, without comments and blank lines: it is to stay tiny.
// What version 1 of the host needs is lib/, hosts/v1/ and the entries; version 2 needs
// hosts/v2/ instead of hosts/v1/.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const shim = fileURLToPath(new URL('..', import.meta.url))

/**
 * The lines of code of each file.
 * @param {string[]} folders those that version 1 needs, by default
 */
export function count(folders = ['.', 'lib', 'hosts/v1']) {
  return folders.flatMap((folder) => {
    const names = readdirSync(join(shim, folder)).filter((name) => name.endsWith('.js'))
    return names.map((name) => {
      const text = readFileSync(join(shim, folder, name), 'utf8')
      return { name: join(folder, name), lines: linesOf(text) }
    })
  })
}

/** @param {string} text of a formatted file, in which a comment of several lines begins its line */
function linesOf(text) {
  const code = text.replace(/^ *\/\*\*[^]*?\*\/ *$/gm, '').replace(/^ *\/\/.*$/gm, '')
  return code.split('\n').filter((line) => line.trim() && !line.includes("from './hosts/v2/")).length
}

if (import.meta.filename === process.argv[1]) {
  const files = count()
  const sum = files.reduce((total, { lines }) => total + lines, 0)
  process.stdout.write(`${sum} lines of code in ${files.length} files\n`)
}
