// Connects the two halves of the plugin, which OpenCode 1 loads in two threads of one process:
// one for the server, one for the TUI. The server's half calls the helper for both.
import { BroadcastChannel } from 'node:worker_threads'
import { Problem } from '../../lib/problem.js'

/** @typedef {import('../../lib/helper.js').Helper} Helper */

/**
 * @typedef {object} Message from the TUI's half to the other, or back
 * @property {string} [to] the directory whose state is asked for
 * @property {string} [command] to be run
 * @property {boolean} [closed] no dialog is open
 * @property {string} [from] the directory whose state this is
 * @property {import('../../lib/interface.d.ts').Item} [item]
 * @property {any[]} [commands]
 * @property {import('../../lib/interface.d.ts').CommandResult} [result]
 */

const CHANNEL = 'opencode-oci-oidc'

/**
 * Opens the channel to the other half.
 * @param {(message: Message) => void} receive
 */
export function open(receive) {
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref?.()
  channel.onmessage = (/** @type {any} */ { data }) => receive(data)
  return { send: (/** @type {Message} */ message) => channel.postMessage(message), end: () => channel.close() }
}

/**
 * Answers the TUI's half for a directory, and sends it every change of the state.
 * @param {Helper} helper
 * @param {string} directory
 */
export function answerTUI(helper, directory) {
  /** @type {Message} */
  const state = Object.assign(helper.shown, { from: directory })
  const channel = open(async ({ to, command }) => {
    if (to !== directory) return
    const failed = (/** @type {any} */ error) => ({ toast: { variant: 'error', message: Problem.from(error).text } })
    const result = command ? await helper.call('command', { name: command }).catch(failed) : undefined
    channel.send({ ...state, result })
  })
  const tell = (/** @type {Message} */ news) => channel.send(Object.assign(state, news))
  const unlisten = helper.listen((method, { item }) => method === 'status/changed' && tell({ item }))
  return {
    tell,
    end() {
      unlisten()
      channel.end()
    },
  }
}
