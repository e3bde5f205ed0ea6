// The helper process of a project directory: it is started when it is first needed, replaced
// when it is lost, and ended with its last user. The leases of its tokens are kept here, too.
import { createRequire } from 'node:module'
import { HelperLost, Problem } from './problem.js'
import { launch } from './program.js'
import { Wire } from './wire.js'

/** @import { CallOptions, Lease, Token } from './interface.d.ts' */
/** @typedef {Lease & { wall: number, steady: number, length: number }} TimedLease by both clocks, in milliseconds */

/** The ID of the provider for llm_base_url. The IDs for other endpoints begin with it. */
export const PROVIDER = 'oci-oidc'
const PROTOCOL = 1
const HELLO_LIMIT = 10_000
const FIRST_PAUSE = 250
const LONGEST_PAUSE = 30_000

const { name, version } = createRequire(import.meta.url)('../package.json')

/** @type {Map<string, Helper>} */
const helpers = new Map()

/**
 * Returns the helper of a directory and counts its users; call `release` when done. Never
 * throws: a problem of the helper is reported by the first call that needs it.
 * @param {string} directory
 * @param {string} host
 */
export function acquire(directory, host) {
  const helper = helpers.get(directory) ?? new Helper(directory, host)
  helpers.set(directory, helper)
  helper.users++
  helper.start()
  return helper
}

export class Helper {
  users = 0
  /** @type {Record<string, number>} when each provider's endpoint last answered with success, in milliseconds */
  served = {}
  /** @type {Record<string, any>} the state that the host shows; it survives a reload of the plugin */
  shown = {}
  #hello
  /** @type {Wire | undefined} */
  #wire
  /** @type {Set<(method: string, params: any) => void>} */
  #listeners = new Set()
  #released = false
  // The pause before the next start. It doubles each time the helper is lost.
  #pause = 0
  // The leases by provider. When the session changes they are all discarded, and so are the
  // answers to the requests for leases that are under way.
  #leases = noLeases()
  #providers = new Set([PROVIDER])

  /**
   * @param {string} directory
   * @param {string} host
   */
  constructor(directory, host) {
    const client = { name, version, host, runtime: process.versions.bun ? 'bun' : 'node' }
    this.#hello = { protocol: PROTOCOL, client, directory }
  }

  /** Starts the process, if there is none. */
  start() {
    try {
      this.#living()
    } catch {
      // The next call reports the same problem.
    }
  }

  /**
   * The lease of a token that may be used now, if there is one. Does not call the helper.
   * @returns {TimedLease | undefined}
   */
  lease(provider = PROVIDER) {
    const lease = this.#leases.lent.get(provider)
    if (!lease || this.#wire?.lost) return undefined
    // A clock can be set back, and the steady one stands still while the computer sleeps.
    const wall = Date.now() - lease.wall
    if (wall >= 0 && wall < lease.length && performance.now() - lease.steady < lease.length) return lease
  }

  /** Gets the next lease in the background; called after each use. */
  used(provider = PROVIDER) {
    this.#providers.add(provider)
    if (this.#wire && !this.#wire.lost && !this.#leases.asked.has(provider)) void this.#renewLease(this.#wire, provider)
  }

  /**
   * @param {Wire} wire
   * @param {string} provider
   */
  async #renewLease(wire, provider) {
    const leases = this.#leases
    leases.asked.add(provider)
    try {
      this.accept(await wire.request('getToken', { provider }, { background: true }), provider, leases)
    } catch {
      // The next request that needs a token reports the same problem.
      leases.lent.delete(provider)
    }
    leases.asked.delete(provider)
  }

  /**
   * Gets a lease from the helper.
   * @param {{ signal?: AbortSignal, provider?: string }} [options]
   */
  async borrow({ signal, provider = PROVIDER } = {}) {
    const leases = this.#leases
    return this.accept(await this.call('getToken', { provider }, { signal }), provider, leases)
  }

  /**
   * Keeps a token that the helper has sent as the provider's lease.
   * @param {Token} token
   * @param {string} [provider]
   * @param {ReturnType<typeof noLeases>} [leases] the leases at the time of the request
   */
  accept(token, provider = PROVIDER, leases = this.#leases) {
    const lease = leaseOf(token, provider)
    leases.lent.set(provider, lease)
    return lease
  }

  /**
   * Calls a method; repeats it with another helper if this one is lost.
   * @param {string} method
   * @param {object} [params]
   * @param {CallOptions} [options]
   * @returns {Promise<any>}
   */
  async call(method, params = {}, { once = false, ...options } = {}) {
    try {
      const result = await this.#living().request(method, params, options)
      this.#pause = 0
      return result
    } catch (error) {
      if (once || !(error instanceof HelperLost)) throw error
      return this.#living().request(method, params, options)
    }
  }

  /** @param {(method: string, params: any) => void} listener */
  listen(listener) {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async release() {
    if (--this.users > 0) return
    this.#released = true
    helpers.delete(this.#hello.directory)
    await this.#wire?.close(closed())
  }

  /** The connection to the running helper, which is started if need be. Its first request is `initialize`. */
  #living() {
    if (this.#released) throw closed()
    if (this.#wire && !this.#wire.lost) return this.#wire
    if (this.#wire?.lost && performance.now() < this.#wire.lostAt + this.#pause) throw this.#wire.lost
    if (this.#wire) this.#pause = Math.min(this.#pause * 2 || FIRST_PAUSE, LONGEST_PAUSE)
    this.#leases = noLeases()
    const wire = launch((child) => new Wire(child, (method, params) => this.#notified(wire, method, params)))
    this.#wire = wire
    const options = { limit: HELLO_LIMIT, background: true }
    wire.request('initialize', this.#hello, options).catch((problem) => wire.end(problem))
    this.#renewLeases()
    return wire
  }

  /**
   * @param {Wire} wire
   * @param {string} method
   * @param {any} params
   */
  #notified(wire, method, params) {
    if (wire !== this.#wire || wire.lost) return
    if (method === 'session/changed') this.#renewLeases()
    for (const listener of this.#listeners) listener(method, params)
  }

  #renewLeases() {
    this.#leases = noLeases()
    for (const provider of this.#providers) this.used(provider)
  }
}

const noLeases = () => ({ lent: /** @type {Map<string, TimedLease>} */ (new Map()), asked: new Set() })

/**
 * @param {Partial<Token> | null} token
 * @param {string} provider
 * @returns {TimedLease}
 */
function leaseOf(token, provider) {
  const { accessToken, useUntil = '', baseURL, tls } = token ?? {}
  if (typeof accessToken !== 'string' || !URL.canParse(String(baseURL))) {
    throw new Problem('internal', 'oci-oidc-helper sent no token.', 'Restart OpenCode; if it happens again, report it.')
  }
  const wall = Date.now()
  const [prefix, { origin }] = [String(baseURL).replace(/\/*$/, '/'), new URL(String(baseURL))]
  const times = { wall, steady: performance.now(), length: Date.parse(useUntil) - wall || 0 }
  return { provider, token: accessToken, authorization: `Bearer ${accessToken}`, origin, prefix, tls, ...times }
}

const closed = () => new Problem('cancelled', 'OpenCode has closed this project.', 'Start OpenCode again.')
