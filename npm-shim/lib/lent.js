// What the helper has lent: a token that may be used without asking, until the time that
// the helper chose. Whoever takes it back forgets this object, and answers that come
// late find nobody.

/** @typedef {import('./types.js').Pass} Pass */

export class Lent {
  /** @type {Pass | undefined} */
  #pass
  #length = 0
  #wall = 0
  #steady = 0

  /**
   * Holds the answer to a getToken, which without `useUntil` is not lent.
   * @param {import('./types.js').Token} answer
   * @param {import('./types.js').HelperConfig} config whose endpoint it is for
   * @returns {Pass}
   */
  hold({ accessToken, useUntil }, config) {
    this.#wall = Date.now()
    this.#steady = performance.now()
    this.#length = Date.parse(useUntil ?? '') - this.#wall
    // One object a token: what is known of its way stays known.
    if (this.#pass?.token !== accessToken || this.#pass.config !== config) this.#pass = { config, token: accessToken }
    return this.#pass
  }

  /**
   * The token with its configuration, while it is lent.
   * @returns {Pass | undefined}
   */
  pass() {
    // A clock can be set back, and the steady one stands still while the computer sleeps.
    const wall = Date.now() - this.#wall
    return wall >= 0 && wall < this.#length && performance.now() - this.#steady < this.#length ? this.#pass : undefined
  }
}
