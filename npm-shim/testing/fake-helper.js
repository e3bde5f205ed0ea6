#!/usr/bin/env node
// A helper that does what a script says: for what only a misbehaving one can show.
// The script at $FAKE_HELPER maps a method to the actions for its first, second, … call,
// counted over all processes; the last action repeats. The getToken that comes with each
// initialize, for which nobody waits, is `lend`. `<script>.log` tells what was asked. An
// action with `until` answers when there is a file `<script>.<until>`.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const path = process.env.FAKE_HELPER ?? ''
const script = JSON.parse(readFileSync(path, 'utf8'))
const log = `${path}.log`
const configured = {
  providers: {
    'oci-oidc': { npm: 'x', name: 'Company', options: { baseURL: 'http://127.0.0.1:2/v1' }, models: { m: {} } },
  },
  permission: { '*': 'allow' },
  methods: [
    { label: 'With a browser', params: { flow: 'browser' } },
    { label: 'With a code', params: { flow: 'device' } },
  ],
  tools: [{ name: 'oci_oidc_status', description: 'Shows it.' }],
  commands: [{ name: 'oci-oidc.status', title: 'Show it', category: 'Company' }],
}
/** @type {Record<string, object>} */
const usual = { initialize: { protocol: 1, helper: { version: '0', platform: 'fake' } }, configure: configured }
const record = (/** @type {object} */ entry) =>
  appendFileSync(log, JSON.stringify({ pid: process.pid, ...entry }) + '\n')
const send = (/** @type {object} */ message) =>
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')

record({ method: 'start' })
if (script.immortal) setInterval(() => {}, 1_000)
process.stdout.on('error', () => {}) // OpenCode may be gone already
let before = ''
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, params, ...request } = JSON.parse(line)
    if (request.method === 'ping' && !script.deaf) return send({ id, result: {} })
    const method = request.method === 'getToken' && before === 'initialize' ? 'lend' : request.method
    before = method
    const asked = existsSync(log) ? readFileSync(log, 'utf8').split(`"method":${JSON.stringify(method)}`).length - 1 : 0
    record({ method, params })
    const actions = script[method] ?? (usual[method] ? [{ result: usual[method] }] : [])
    const action = actions[Math.min(asked, actions.length - 1)] ?? {}
    if (action.raw) process.stdout.write(action.raw)
    for (const note of action.notify ?? []) {
      if (note.params?.attempt === 'asked') note.params.attempt = params.attempt
      send(note)
    }
    if (action.closeInput) process.stdin.destroy()
    if (action.stop) process.kill(process.pid, 'SIGSTOP')
    const answers = () => {
      if (action.until && !existsSync(`${path}.${action.until}`)) return setTimeout(answers, 10)
      if ('result' in action) setTimeout(() => send({ id, result: action.result }), action.after ?? 0)
      if ('error' in action) setTimeout(() => send({ id, error: action.error }), action.after ?? 0)
    }
    if ('exit' in action) setTimeout(() => process.exit(action.exit), action.after ?? 0)
    answers()
  })
  .on('close', () => {
    record({ method: 'eof' })
    if (!script.immortal) process.exit()
  })
