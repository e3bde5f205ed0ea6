// The one error that a person reads, and the forms of it that OpenCode handles well.
import { PASSING, SIGN_IN, unretryable } from './messages.js'

/** An error with a kind for programs, a sentence, and a hint what to do next. */
export class Problem extends Error {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {string} hint
   * @param {boolean} [retryable]
   */
  constructor(kind, message, hint, retryable = false) {
    super(message)
    this.name = 'Problem'
    this.kind = kind
    this.hint = hint
    this.retryable = retryable
  }

  /** The sentence and the hint. */
  get text() {
    return this.hint ? `${this.message}\n${this.hint}` : this.message
  }

  /** @param {import('./types.js').ProblemData} data */
  static fromWire({ kind, message, hint = '', retryable }) {
    return new Problem(kind, message, hint, retryable)
  }

  /** @param {unknown} error */
  static from(error) {
    if (error instanceof Problem) return error
    return new Problem('internal', 'Something went wrong inside the plugin opencode-oci-oidc.', String(error))
  }
}

/** The helper is gone; the same call to a new one may succeed. */
export class HelperLost extends Problem {
  /**
   * @param {string} path
   * @param {string} how
   */
  constructor(path, how) {
    super('internal', `The program ${path} ended unexpectedly (${how}).`, 'If it happens again, install the plugin again on this computer, or look into its log.')
  }
}

/**
 * The error to throw from fetch. OpenCode retries some errors for a minute, by the
 * words in their text and by how they are marked: here only the passing ones.
 * @param {Problem} problem
 */
export function forOpenCode(problem) {
  if (problem.kind === 'login_required') return marked('AI_LoadAPIKeyError', SIGN_IN)
  if (!problem.retryable) return marked('AI_LoadAPIKeyError', unretryable(problem.text))
  // The words are for 1.18; up to 1.14 only an API error that says so is retried.
  return Object.assign(marked('AI_APICallError', `${problem.text}\n${PASSING}`), { isRetryable: true })
}

/**
 * The AI SDK tells its errors apart by these symbols, so that several copies of it agree.
 * @param {string} name
 * @param {string} message
 */
function marked(name, message) {
  const error = new Error(message)
  error.name = name
  return Object.assign(error, {
    [Symbol.for('vercel.ai.error')]: true,
    [Symbol.for(`vercel.ai.error.${name}`)]: true,
  })
}
