// JSON-RPC 2.0, one JSON object a line, over two streams.
import { Problem } from './problem.js'

// The helper refuses longer lines too.
const MAX_LINE = 1 << 20

/**
 * @typedef {{ behind?: boolean, resolve(result: any): void, reject(error: unknown): void }} Pending
 * @typedef {{
 *   onNotification?: (method: string, params: unknown) => void,
 *   onBusy?: (busy: boolean) => void,
 *   onEnd?: () => void,
 * }} WireEvents
 */

/**
 * The calling end of a conversation. A line that is no answer to anything is passed
 * over, since nothing useful can be said about it to anybody.
 */
export class Wire {
  #output
  #events
  #nextID = 1
  /** @type {Map<number, Pending>} */
  #pending = new Map()
  #waiting = 0 // of those, without the ones behind
  #line = ''
  #skipping = false
  /** @type {Problem | undefined} with which the conversation ended */
  closed

  /**
   * @param {import('node:stream').Readable} input
   * @param {import('node:stream').Writable} output
   * @param {WireEvents} [events]
   */
  constructor(input, output, events = {}) {
    this.#output = output
    this.#events = events
    input.setEncoding('utf8')
    input.on('data', (chunk) => this.#read(chunk))
    // What ends a stream is better told by the owner of the process, who closes the wire.
    const end = () => events.onEnd?.()
    input.on('end', end).on('error', end)
    output.on('error', end)
  }

  /**
   * Ends the conversation: every call that waits, and every later one, fails with problem.
   * @param {Problem} problem
   */
  close(problem) {
    if (this.closed) return
    this.closed = problem
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(problem)
  }

  /**
   * Calls a method. When signal fires, the helper is told and the call fails with the
   * signal's reason; after timeout milliseconds likewise, with a problem. Behind is a call
   * whose answer nobody waits for: it does not make the wire busy.
   * @param {string} method
   * @param {object} [params]
   * @param {{ signal?: AbortSignal, timeout?: number, behind?: boolean }} [options]
   * @returns {Promise<any>}
   */
  request(method, params, { signal, timeout, behind } = {}) {
    if (this.closed) return Promise.reject(this.closed)
    if (signal?.aborted) return Promise.reject(signal.reason)
    const id = this.#nextID++
    return new Promise((resolve, reject) => {
      const cancel = (/** @type {unknown} */ reason) => {
        this.#send({ method: '$/cancelRequest', params: { id } })
        this.#settle(id)?.reject(reason)
      }
      const onAbort = () => cancel(signal?.reason)
      const timer = timeout && setTimeout(() => cancel(silent(method)), timeout)
      const done = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      signal?.addEventListener('abort', onAbort)
      this.#pending.set(id, {
        behind,
        resolve: (result) => (done(), resolve(result)),
        reject: (error) => (done(), reject(error)),
      })
      if (!behind && this.#waiting++ === 0) this.#events.onBusy?.(true)
      this.#send({ id, method, params })
    })
  }

  /** @param {object} message */
  #send(message) {
    if (!this.closed) this.#output.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\n')
  }

  /**
   * Takes the call out of those that wait.
   * @param {unknown} id
   */
  #settle(id) {
    const pending = this.#pending.get(Number(id))
    if (pending && this.#pending.delete(Number(id)) && !pending.behind && --this.#waiting === 0) this.#events.onBusy?.(false)
    return pending
  }

  /** @param {string} chunk */
  #read(chunk) {
    let start = 0
    for (let end; (end = chunk.indexOf('\n', start)) >= 0; start = end + 1) {
      const line = this.#line + chunk.slice(start, end)
      if (!this.#skipping && line.length <= MAX_LINE) this.#receive(line)
      this.#line = ''
      this.#skipping = false
    }
    if (!this.#skipping) this.#line += chunk.slice(start)
    if (this.#line.length > MAX_LINE) {
      this.#line = ''
      this.#skipping = true
    }
  }

  /** @param {string} line */
  #receive(line) {
    let message
    try {
      message = JSON.parse(line)
    } catch {
      return
    }
    if (typeof message !== 'object' || message === null) return
    if (typeof message.method === 'string') {
      this.#events.onNotification?.(message.method, message.params)
    } else if (message.error) {
      this.#settle(message.id)?.reject(problemOf(message.error))
    } else if ('result' in message) {
      this.#settle(message.id)?.resolve(message.result)
    }
  }
}

/** @param {string} method */
function silent(method) {
  return new Problem('internal', `oci-oidc-helper gave no answer to "${method}".`, 'Restart OpenCode; if it happens again, please report it.')
}

/** @param {{ message?: unknown, data?: Partial<import('./types.js').ProblemData> }} error */
function problemOf({ message, data }) {
  return Problem.fromWire({ kind: 'internal', ...data, message: String(message) })
}
