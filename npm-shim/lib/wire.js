// The conversation with one running helper: JSON-RPC 2.0, one JSON object a line.
import { once } from 'node:events'
import { HelperLost, Problem } from './problem.js'

/** In milliseconds. While an answer is due, a line must come within three ticks. */
export const timing = { tick: 5_000, ending: 1_000 }
const LIMIT = 120_000

/**
 * @typedef {object} Pending a call that has no answer yet
 * @property {(result: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {() => void} settled
 * @property {boolean} background nobody waits for it
 * @property {number} until when the helper counts as lost, by the steady clock
 */

export class Wire {
  #child
  #onNotification
  /** @type {Map<number, Pending>} */
  #pending = new Map()
  #nextID = 1
  #rest = '' // of a line that has not ended yet
  #silentTicks = 0
  /** @type {NodeJS.Timeout | undefined} */
  #timer
  #held = true
  /** @type {Problem | undefined} why this helper is no longer asked */
  lost
  lostAt = 0

  /**
   * @param {import('node:child_process').ChildProcessWithoutNullStreams} child
   * @param {(method: string, params: any) => void} onNotification
   */
  constructor(child, onNotification) {
    this.#child = child
    this.#onNotification = onNotification
    child.stdout.setEncoding('utf8').on('data', (chunk) => this.#read(chunk))
    child.stderr.resume()
    // The exit tells more than the end of a stream, but may not come.
    const ended = () => {
      child.stdin.end()
      setTimeout(() => this.end(new HelperLost('closed its connection')), timing.ending).unref()
    }
    child.stdout.on('end', ended).on('error', ended)
    child.stdin.on('error', ended)
    this.#hold(false)
  }

  /**
   * Calls a method. When signal fires, the helper is told, and the call fails with the
   * signal's reason. Without an answer within limit milliseconds the helper is lost.
   * @param {string} method
   * @param {object} params
   * @param {{ signal?: AbortSignal, limit?: number, background?: boolean }} [options]
   * @returns {Promise<any>}
   */
  async request(method, params, { signal, limit = LIMIT, background = false } = {}) {
    if (this.lost) throw this.lost
    signal?.throwIfAborted()
    const id = this.#nextID++
    const line = JSON.stringify({ jsonrpc: '2.0', id, method, params })
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":${id}}}`)
        this.#settle(id)?.reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort)
      const settled = () => signal?.removeEventListener('abort', abort)
      this.#pending.set(id, { resolve, reject, settled, background, until: performance.now() + limit })
      if (!background) this.#hold(true)
      this.#timer ??= setTimeout(() => this.#watch(), timing.tick).unref()
      this.#send(line)
    })
  }

  /**
   * Ends the conversation: every call fails with problem. The process is left to end by
   * itself, since it may be saving the successor of a refresh token that works only once.
   * @param {Problem} problem
   */
  end(problem) {
    if (this.lost) return
    this.lost = problem
    this.lostAt = performance.now()
    clearTimeout(this.#timer)
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(problem)
    this.#child.stdin.end()
  }

  /**
   * Ends the conversation and resolves when the process has ended, or is left to itself.
   * @param {Problem} problem
   */
  async close(problem) {
    this.end(problem)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.ref()
    await once(this.#child, 'exit', { signal: AbortSignal.timeout(timing.ending) }).catch(() => this.#child.unref())
  }

  /** Asks for a sign of life: a helper that gives none, or no answer in time, is lost. */
  #watch() {
    this.#timer = undefined
    if (this.#pending.size === 0) return
    const now = performance.now()
    const overdue = [...this.#pending.values()].some(({ until }) => now > until)
    if (overdue || ++this.#silentTicks > 2) return this.end(new HelperLost('has stopped answering'))
    this.#timer = setTimeout(() => this.#watch(), timing.tick).unref()
    this.#send('{"jsonrpc":"2.0","id":0,"method":"ping"}')
  }

  /** @param {string} line */
  #send(line) {
    if (!this.lost) this.#child.stdin.write(`${line}\n`)
  }

  /**
   * Takes a call out of those that wait.
   * @param {number} id
   */
  #settle(id) {
    const pending = this.#pending.get(id)
    if (!pending || !this.#pending.delete(id)) return undefined
    pending.settled()
    if (![...this.#pending.values()].some(({ background }) => !background)) this.#hold(false)
    return pending
  }

  /**
   * Lets the process of OpenCode end while nobody waits for the helper.
   * @param {boolean} held
   */
  #hold(held) {
    if (this.#held === held) return
    this.#held = held
    const { stdin, stdout, stderr } = this.#child
    const parts = /** @type {any[]} */ ([this.#child, stdin, stdout, stderr])
    for (const part of parts) held ? part.ref?.() : part.unref?.() // Bun's streams have neither
  }

  /** @param {string} chunk */
  #read(chunk) {
    const lines = chunk.split('\n')
    lines[0] = this.#rest + lines[0]
    this.#rest = lines.pop() ?? ''
    this.#silentTicks = 0
    for (const line of lines) this.#receive(line)
  }

  /** @param {string} line */
  #receive(line) {
    let message
    try {
      message = JSON.parse(line)
    } catch {
      return // nothing useful can be said about it to anybody
    }
    if (typeof message?.method === 'string') return this.#onNotification(message.method, message.params ?? {})
    const pending = this.#settle(message?.id)
    if (message?.error) pending?.reject(Problem.fromWire({ ...message.error.data, message: message.error.message }))
    else pending?.resolve(message.result)
  }
}
