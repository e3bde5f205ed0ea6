// The errors that people read. Almost all come from the helper; the shim itself only makes
// those about the helper's program.

const BRIEF = `The program oci-oidc-helper, which the plugin opencode-oci-oidc needs, does not run as it should.
Run /connect to see why, or "oci-oidc-helper status" in a terminal.`

// Replaces invisible characters: they would be copied along unnoticed, and some control a terminal.
export const visible = (/** @type {string} */ text) => text.replace(/[^\P{C}\n]|\p{DI}/gu, '?')

/** An error with a kind for programs, a sentence, and a hint what to do next. */
export class Problem extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {string} [hint]
   * @param {{ retryable?: boolean, brief?: string }} [more] brief: the kind's fixed sentence
   */
  constructor(kind, message, hint = '', { retryable = false, brief = BRIEF } = {}) {
    super(visible(message))
    this.name = 'Problem'
    this.kind = kind
    this.hint = visible(hint)
    this.retryable = retryable
    this.brief = visible(brief)
  }

  /** The sentence and the hint. */
  get text() {
    return this.hint ? `${this.message}\n${this.hint}` : this.message
  }

  /** @param {any} data a problem as the helper writes it */
  static fromWire({ kind, message, hint, retryable, brief }) {
    return new Problem(kind ?? 'internal', String(message), hint, { retryable, brief })
  }

  /** @param {unknown} error */
  static from(error) {
    if (error instanceof Problem) return error
    return new Problem('internal', 'Something went wrong inside the plugin opencode-oci-oidc.', String(error))
  }
}

const REPEATED = '"oci-oidc-helper logs" shows the log; restart OpenCode, or install the plugin again.'

/** The helper has ended or does not answer. The same call to a new one may succeed. */
export class HelperLost extends Problem {
  /** @param {string} how */
  constructor(how) {
    super('internal', `oci-oidc-helper ${how}.`, `Try again. If it happens again, ${REPEATED}`)
  }
}
