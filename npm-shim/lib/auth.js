// /connect and `opencode auth login`. OpenCode shows raw JSON for what is thrown here,
// so nothing is: a failure is an empty address, a reason, and a callback that fails.
import { LABELS, PROVIDER, STORED_KEY, validUntil } from './messages.js'
import { Problem } from './problem.js'

/** @typedef {import('./types.js').Prompt} Prompt */
/** @typedef {import('./types.js').Authorization} Authorization */

// OpenCode shows a toast of its own when a sign-in fails; ours is to replace it.
const TOAST_DELAY = 1_000
const TOAST_DURATION = 15_000
// How long a sign-in may go on after the time it named, until it is given up.
const GRACE = 30_000

/**
 * @param {import('./helper.js').Helper} helper
 * @param {import('./types.js').OpenCodeClient} [client]
 * @returns {import('./types.js').AuthMethod[]}
 */
export function signInMethods(helper, client) {
  return /** @type {const} */ (['browser', 'device']).map((flow) => ({
    type: 'oauth',
    label: LABELS[flow],
    authorize: () => authorize(helper, client, flow),
  }))
}

/**
 * A public client cannot always have a redirect registered: the device code comes first.
 * @param {import('./types.js').AuthMethod[]} methods
 * @param {import('./types.js').HelperConfig | undefined} config
 */
export function order(methods, config) {
  const first = config?.authMethod === 'mobile_app' ? LABELS.device : LABELS.browser
  methods.sort((a, b) => Number(b.label === first) - Number(a.label === first))
}

/**
 * @param {import('./helper.js').Helper} helper
 * @param {import('./types.js').OpenCodeClient | undefined} client
 * @param {import('./types.js').Flow} flow
 * @returns {Promise<Authorization>}
 */
async function authorize(helper, client, flow) {
  // OpenCode does not say when its dialog is closed: the next sign-in ends this one.
  helper.signIn?.abort()
  const attempt = (helper.signIn = new AbortController())
  try {
    const { prompt, done } = await start(helper, flow, attempt)
    return {
      url: prompt?.url ?? '',
      instructions: prompt ? instructions(prompt) : 'You are signed in.',
      method: 'auto',
      callback: () => finish(done, attempt, client),
    }
  } catch (error) {
    return failed(error, attempt, client)
  }
}

/**
 * Starts the sign-in and waits until there is something to show; a sign-in that needs
 * nobody ends without.
 * @param {import('./helper.js').Helper} helper
 * @param {import('./types.js').Flow} flow
 * @param {AbortController} attempt
 * @returns {Promise<{ prompt?: Prompt, done: Promise<unknown> }>}
 */
function start(helper, flow, attempt) {
  return new Promise((resolve, reject) => {
    const done = helper.call('connect', { flow }, {
      signal: attempt.signal,
      anew: true,
      onNotification(method, params) {
        if (method !== 'connect/prompt') return
        const prompt = /** @type {Prompt} */ (params)
        limit(attempt, done, Date.parse(prompt.expiresAt) - Date.now() + GRACE)
        resolve({ prompt, done })
      },
    })
    done.then(() => resolve({ done }), reject)
  })
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

/**
 * @param {Promise<unknown>} done
 * @param {AbortController} attempt
 * @param {import('./types.js').OpenCodeClient | undefined} client
 * @returns {Promise<import('./types.js').AuthResult>}
 */
async function finish(done, attempt, client) {
  try {
    await done
    return { type: 'success', provider: PROVIDER, key: STORED_KEY }
  } catch (error) {
    return failed(error, attempt, client).callback()
  }
}

/**
 * @param {unknown} error
 * @param {AbortController} attempt
 * @param {import('./types.js').OpenCodeClient | undefined} client
 * @returns {Authorization}
 */
function failed(error, attempt, client) {
  const superseded = attempt.signal.aborted && !(attempt.signal.reason instanceof Problem)
  const { text } = superseded ? new Problem('cancelled', 'Another sign-in was started.') : Problem.from(error)
  return {
    url: '',
    instructions: text,
    method: 'auto',
    async callback() {
      if (!superseded) showLater(client, text)
      return { type: 'failed' }
    },
  }
}

/**
 * @param {import('./types.js').OpenCodeClient | undefined} client
 * @param {string} message
 */
function showLater(client, message) {
  const show = async () => {
    await client?.tui.showToast({ body: { title: 'Sign-in failed', message, variant: 'error', duration: TOAST_DURATION } })
  }
  // There is no TUI behind `opencode auth login`.
  setTimeout(() => show().catch(() => {}), TOAST_DELAY).unref()
}

/**
 * The dialog is 56 columns wide; its key `c` copies a code that looks like XXXX-XXXX,
 * else the address. The code is shown as the domain spells it: it may not take another.
 * @param {Prompt} prompt
 */
function instructions({ userCode, browserOpened, expiresAt }) {
  const code = userCode && `Code: ${userCode}`
  const where = userCode ? 'Open the address on any device and enter the code.' : 'Open the address in a browser on this computer.'
  const what = browserOpened && !userCode ? 'A browser window has been opened: sign in there.' : where
  return [code, what, `This sign-in is ${validUntil(expiresAt)}.`].filter(Boolean).join('\n')
}
