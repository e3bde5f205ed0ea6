// /connect and `opencode auth login`. OpenCode shows raw JSON for what is thrown here,
// so nothing is: a failure is an empty address, a reason, and a callback that fails.
import { confirmed, questions } from './confirm.js'
import { whenLeft } from './dialog.js'
import { LABELS, NO_SIGN_IN, PROVIDER, STORED_KEY } from './messages.js'
import { instructions, person, tell } from './person.js'
import { Problem } from './problem.js'

/** @typedef {import('./types.js').Prompt} Prompt */
/** @typedef {import('./types.js').Flow} Flow */
/** @typedef {import('./types.js').Authorization} Authorization */
/** @typedef {import('./types.js').AuthResult} AuthResult */
/** @typedef {import('./types.js').OpenCodeClient} OpenCodeClient */

// How long a sign-in may go on after the time it named, until it is given up.
const GRACE = 30_000

/**
 * The ways to sign in, in the helper's order.
 * @param {import('./helper.js').Helper} helper
 * @param {OpenCodeClient} [client]
 * @param {Flow[]} [flows]
 * @returns {import('./types.js').AuthMethod[]}
 */
export function signInMethods(helper, client, flows = ['browser', 'device', 'paste']) {
  const known = flows.filter((flow) => LABELS[flow])
  const methods = known.map((flow) => ({ label: LABELS[flow], params: { flow } }))
  if (!methods.length) methods.push({ label: NO_SIGN_IN, params: /** @type {any} */ ({}) })
  return methods.map(({ label, params }) => ({
    type: 'oauth',
    label,
    // OpenCode reads it each time that it shows the methods.
    get prompts() {
      return questions(helper.toConfirm)
    },
    authorize: (answers) => new SignIn(helper, client).begin(params, answers),
  }))
}

/** One attempt to sign in. */
class SignIn {
  #helper
  #client
  #attempt = new AbortController()
  #person = person()
  #left = false

  /**
   * @param {import('./helper.js').Helper} helper
   * @param {OpenCodeClient | undefined} client
   */
  constructor(helper, client) {
    this.#helper = helper
    this.#client = client
  }

  /**
   * @param {{ flow?: Flow }} params
   * @param {Record<string, string>} [answers]
   * @returns {Promise<Authorization>}
   */
  async begin(params, answers) {
    // OpenCode does not say when its dialog is closed: the next sign-in ends this one.
    this.#helper.signIn?.abort()
    this.#helper.signIn = this.#attempt
    try {
      const { prompt, done } = await this.#start({ ...params, ...confirmed(answers) })
      if (!prompt) return { url: '', instructions: 'You are signed in.', method: 'auto', callback: () => this.#finish(done) }
      const text = instructions(prompt, this.#person)
      if (prompt.flow !== 'paste') return { url: prompt.url, instructions: text, method: 'auto', callback: () => this.#finish(done) }
      // `opencode auth login` shows no instructions where something is to be typed.
      if (this.#person.at === 'prompt') process.stderr.write(`${text}\n`)
      return { url: prompt.url, instructions: text, method: 'code', callback: (pasted = '') => this.#answer(pasted, done) }
    } catch (error) {
      return this.#notBegun(error)
    }
  }

  /**
   * Starts the sign-in and waits until there is something to show; a sign-in that needs
   * nobody ends without.
   * @param {object} params
   * @returns {Promise<{ prompt?: Prompt, done: Promise<unknown> }>}
   */
  #start(params) {
    return new Promise((resolve, reject) => {
      const unlisten = whenLeft(() => (this.#left = true))
      const done = this.#helper.call('connect', params, {
        signal: this.#attempt.signal,
        anew: true,
        onNotification: (method, params) => {
          if (method !== 'connect/prompt') return
          const prompt = /** @type {Prompt} */ (params)
          limit(this.#attempt, done, Date.parse(prompt.expiresAt) - Date.now() + GRACE)
          resolve({ prompt, done })
        },
      })
      done.then(() => resolve({ done }), reject).finally(unlisten)
    })
  }

  /**
   * @param {Promise<unknown>} done
   * @returns {Promise<AuthResult>}
   */
  async #finish(done) {
    try {
      await done
      return { type: 'success', provider: PROVIDER, key: STORED_KEY }
    } catch (error) {
      // Who has closed the dialog has given up, and is told nothing more.
      if (this.#superseded || this.#left) return this.#forgotten()
      tell(this.#person, this.#client, Problem.from(error))
      return { type: 'failed' }
    }
  }

  /**
   * Hands in what was pasted. When it is wrong, the dialog stays open for another try.
   * @param {string} pasted
   * @param {Promise<unknown>} done
   * @returns {Promise<AuthResult>}
   */
  async #answer(pasted, done) {
    try {
      await this.#helper.call('connect/answer', { redirect: pasted })
    } catch (error) {
      tell(this.#person, this.#client, Problem.from(error), { dialogStays: this.#person.at === 'tui' })
      return { type: 'failed' }
    }
    return this.#finish(done)
  }

  /**
   * @param {unknown} error
   * @returns {Authorization}
   */
  #notBegun(error) {
    const problem = this.#superseded ? new Problem('cancelled', 'Another sign-in was started.', 'Finish that one, or start again.') : Problem.from(error)
    const inTUI = this.#person.at === 'tui'
    if (!this.#superseded && this.#person.at !== 'prompt') tell(this.#person, this.#client, problem, { dialogStays: inTUI })
    // The TUI closes the dialog of what has failed, before it can be read: there it stays.
    const note = inTUI ? '\n\nClose this with Esc.' : ''
    return { url: '', instructions: problem.text + note, method: 'auto', callback: () => this.#forgotten() }
  }

  get #superseded() {
    const { aborted, reason } = this.#attempt.signal
    return aborted && !(reason instanceof Problem)
  }

  /**
   * The end of a sign-in that another one has replaced, that the person has left, or that
   * never began. The TUI would close whatever dialog is open, so it is told nothing.
   * @returns {Promise<AuthResult>}
   */
  #forgotten() {
    return this.#person.at === 'tui' ? new Promise(() => {}) : Promise.resolve({ type: 'failed' })
  }
}

/**
 * Gives up on a sign-in that the helper has not ended in time.
 * @param {AbortController} attempt
 * @param {Promise<unknown>} done
 * @param {number} milliseconds
 */
function limit(attempt, done, milliseconds) {
  const timeout = () => attempt.abort(new Problem('login_timeout', 'Nobody finished the sign-in in time.', 'Run /connect again.'))
  const timer = setTimeout(timeout, Number.isNaN(milliseconds) ? 600_000 : milliseconds)
  timer.unref()
  done.catch(() => {}).finally(() => clearTimeout(timer))
}
