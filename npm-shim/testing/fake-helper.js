#!/usr/bin/env node
// A helper that does what a script says: for what only a misbehaving one can show.
// The script at $FAKE_HELPER maps a method to the actions for its first, second, … call,
// counted over all processes; the last action repeats. The getToken that comes with each
// initialize, for which nobody waits, is `lend`. `<script>.log` tells what was asked.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const path = process.env.FAKE_HELPER ?? ''
const script = JSON.parse(readFileSync(path, 'utf8'))
const log = `${path}.log`
const record = (/** @type {object} */ entry) => appendFileSync(log, JSON.stringify({ pid: process.pid, ...entry }) + '\n')
const send = (/** @type {object} */ message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')

record({ method: 'start' })
process.stdout.on('error', () => {}) // OpenCode may be gone already
let before = ''
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, params, ...request } = JSON.parse(line)
    const method = request.method === 'getToken' && before === 'initialize' ? 'lend' : request.method
    before = method
    const asked = existsSync(log) ? readFileSync(log, 'utf8').split(`"method":${JSON.stringify(method)}`).length - 1 : 0
    record({ method, params })
    const actions = script[method] ?? (method === 'initialize' ? [{ result: { protocol: 1, helper: { version: '0', platform: 'fake' }, config: script.config } }] : [])
    const action = actions[Math.min(asked, actions.length - 1)] ?? {}
    if (action.raw) process.stdout.write(action.raw)
    for (const note of action.notify ?? []) send(note)
    if ('exit' in action) process.exit(action.exit)
    if ('result' in action) setTimeout(() => send({ id, result: action.result }), action.after ?? 0)
    if ('error' in action) send({ id, error: action.error })
  })
  .on('close', () => {
    record({ method: 'eof' })
    process.exit()
  })
