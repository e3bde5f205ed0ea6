// Signing in, as OpenCode 2 does it: methods, attempts and stored credentials.
import { randomUUID } from 'node:crypto'
import { Domain } from './host.js'

/** @typedef {import('../../npm-shim/hosts/v2/contract.js').SignInMethod} SignInMethod */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').Credential} Credential */
/** @typedef {import('../../npm-shim/hosts/v2/contract.js').Authorization} Authorization */
/** @typedef {{ id: string, integrationID: string, label: string, value: Credential }} Stored */
/** @typedef {{ status: 'pending' | 'complete' | 'failed' | 'expired', message?: string, expires: number, integrationID: string, registration: SignInMethod, authorization: Authorization, tried?: boolean }} Attempt */
/** @typedef {{ name: string, methods: Map<string, SignInMethod> }} Entry */

const LIFE = 10 * 60_000
const REFRESH_BEFORE = 5 * 60_000

export class Integrations {
  domain = new Domain(/** @returns {Map<string, Entry>} */ () => new Map(), editor)
  /** @type {Map<string, Attempt>} */
  #attempts = new Map()
  /** @type {Map<string, import('../../npm-shim/hosts/v2/contract.js').ConnectionStatus>} */
  #statuses = new Map()
  #server

  /** @param {import('./host.js').Server} server */
  constructor(server) {
    this.#server = server
  }

  /** @type {import('../../npm-shim/hosts/v2/contract.js').Integrations['connection']} */
  connection = {
    active: async (integrationID) => this.active(integrationID),
    // (Sign-in) It marks a connection; what is marked is not kept.
    status: async ({ connection, status }) => {
      if (status) this.#statuses.set(connection.id ?? '', status)
      else this.#statuses.delete(connection.id ?? '')
    },
  }

  /** @param {string} integrationID @returns {import('../../npm-shim/hosts/v2/contract.js').Connection | undefined} (Sign-in) the newest */
  active(integrationID) {
    const stored = this.#server.credentials.findLast((credential) => credential.integrationID === integrationID)
    if (!stored) return undefined
    const status = this.#statuses.get(stored.id)
    return { type: 'credential', id: stored.id, label: stored.label, ...(status && { status }) }
  }

  list() {
    return [...this.domain.read()].map(([id, { name, methods }]) => ({
      id,
      name,
      methods: [...methods.values()].map(({ method }) => method),
      connections: this.#server.credentials.filter((stored) => stored.integrationID === id).map(({ id, label }) => ({ id, label, status: this.#statuses.get(id) })).reverse(),
    }))
  }

  /**
   * (Sign-in) Refreshed at the next request if the method can, and less than five minutes are left.
   * @param {string} integrationID
   * @returns {Promise<Credential | undefined>}
   */
  async resolved(integrationID) {
    const stored = this.#server.credentials.findLast((credential) => credential.integrationID === integrationID)
    if (!stored) return undefined
    const { refresh } = this.domain.read().get(integrationID)?.methods.get(stored.value.methodID) ?? {}
    if (!refresh || stored.value.expires > this.#server.now() + REFRESH_BEFORE) return stored.value
    return (stored.value = await refresh(stored.value))
  }

  /** @param {string} integrationID @param {string} methodID @param {Record<string, unknown>} answer */
  async connect(integrationID, methodID, answer = {}) {
    const registration = this.domain.read().get(integrationID)?.methods.get(methodID)
    if (!registration) throw new Error(`OAuth method not found: ${integrationID}/${methodID}`)
    // (Sign-in) The host checks the form.
    for (const { key, options } of registration.method.form ?? []) {
      if (!options.some(({ value }) => value === answer[key])) throw new Error(`Invalid answer for ${key}`)
    }
    const authorization = await registration.authorize(answer).catch(() => {
      throw new Error('Unexpected server error') // (Sign-in) nothing of what authorize rejects with is shown
    })
    const id = randomUUID()
    const expires = authorization.expiresAt ?? this.#server.now() + LIFE
    /** @type {Attempt} */
    const attempt = { status: 'pending', expires, integrationID, registration, authorization }
    this.#attempts.set(id, attempt)
    // (Sign-in) In mode auto the callback is a promise, heard in the background.
    if (authorization.mode === 'auto') void this.#settle(id, authorization.callback)
    const { url, instructions, mode, device = false } = authorization
    return { id, url, instructions, mode, device, expires }
  }

  /** @param {string} id */
  attempt(id) {
    const attempt = this.#attempts.get(id)
    if (!attempt) throw new Error('Attempt not found')
    if (attempt.status === 'pending' && attempt.expires <= this.#server.now()) attempt.status = 'expired'
    return { status: attempt.status, message: attempt.message }
  }

  /** @param {string} id @param {string} code (Sign-in) it has one try */
  async complete(id, code) {
    const attempt = this.#attempts.get(id)
    if (attempt?.status !== 'pending' || attempt.authorization.mode !== 'code' || attempt.tried) throw new Error('Attempt not found')
    attempt.tried = true
    await this.#settle(id, attempt.authorization.callback(code))
  }

  /** @param {string} id (Sign-in) the plugin is not told, and its promise runs on unheard */
  cancel(id) {
    this.#attempts.delete(id)
  }

  /** @param {string} id of a credential */
  remove(id) {
    const removed = this.#server.credentials.find((stored) => stored.id === id)
    this.#server.credentials = this.#server.credentials.filter((stored) => stored !== removed)
    if (removed) this.#switched(removed.integrationID)
  }

  /** @param {string} id of a credential */
  activate(id) {
    const chosen = this.#server.credentials.find((stored) => stored.id === id)
    if (!chosen) throw new Error('Credential not found')
    this.#server.credentials = [...this.#server.credentials.filter((stored) => stored !== chosen), chosen]
    this.#switched(chosen.integrationID)
  }

  /** @param {string} id @param {Promise<Credential>} callback */
  async #settle(id, callback) {
    const pending = () => (this.#attempts.has(id) && this.attempt(id).status === 'pending' ? this.#attempts.get(id) : undefined)
    try {
      const value = await callback
      const attempt = pending()
      if (!attempt) return
      // (Sign-in) Each sign-in adds an account; label names it.
      const label = attempt.registration.label?.(value) ?? attempt.integrationID
      this.#server.credentials.push({ id: randomUUID(), integrationID: attempt.integrationID, label, value: structuredClone(value) })
      attempt.status = 'complete'
      this.#switched(attempt.integrationID)
    } catch (error) {
      const attempt = pending()
      // (Sign-in) The text is shown, line breaks included.
      if (attempt) Object.assign(attempt, { status: 'failed', message: error instanceof Error ? error.message : String(error) })
    }
  }

  /** @param {string} integrationID */
  #switched(integrationID) {
    this.#server.publish({ type: 'credential.switched', data: { integrationID, credentialID: this.active(integrationID)?.id ?? null } })
  }
}

/** @param {Map<string, Entry>} state */
function editor(state) {
  const entry = (/** @type {string} */ id) => {
    if (!state.has(id)) state.set(id, { name: id, methods: new Map() })
    return /** @type {Entry} */ (state.get(id))
  }
  return {
    update: (/** @type {string} */ id, /** @type {(integration: { id: string, name: string }) => void} */ update) => {
      const ref = { id, name: entry(id).name }
      update(ref)
      entry(id).name = ref.name
    },
    method: {
      update: (/** @type {SignInMethod} */ registration) => void entry(registration.integrationID).methods.set(registration.method.id, registration),
    },
  }
}
