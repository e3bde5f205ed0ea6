// What the helper has lent: a token that may be used without asking, until the time that
// the helper chose. Whoever takes it back forgets this object, and answers that come
// late find nobody.

export class Lent {
  #token = ''
  #length = 0
  #wall = 0
  #steady = 0

  /**
   * Holds the answer to a getToken, which without `useUntil` is not lent.
   * @param {import('./types.js').Token} answer
   */
  hold({ accessToken, useUntil }) {
    this.#token = accessToken
    this.#wall = Date.now()
    this.#steady = performance.now()
    this.#length = Date.parse(useUntil ?? '') - this.#wall
  }

  /** The token while it is lent, or ''. */
  get token() {
    // A clock can be set back, and the steady one stands still while the computer sleeps.
    const wall = Date.now() - this.#wall
    const passed = Math.max(wall, performance.now() - this.#steady)
    return wall >= 0 && passed < this.#length ? this.#token : ''
  }
}
