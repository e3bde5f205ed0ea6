// The dialogs of /connect and `opencode auth login`. The labels and texts in them come from
// the helper (rpc/opencode/connect.go and person.go). OpenCode shows raw JSON for what is
// thrown here, so nothing is: a failure is an empty address, a reason, and a callback that
// fails.
import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { Problem } from '../../lib/problem.js'
import { open } from './bridge.js'

/** @import { Method, Prompt } from '../../lib/interface.d.ts' */
/** @import { AuthMethod, Authorization, AuthResult, OpenCodeClient } from './types.d.ts' */
/** @typedef {import('../../lib/helper.js').Helper} Helper */

// OpenCode requires a key for auth.json. This one is a placeholder: the token stays with the helper.
const SUCCESS = /** @type {const} */ ({ type: 'success', provider: 'oci-oidc', key: 'kept-by-opencode-oci-oidc' })
const FAILED = /** @type {const} */ ({ type: 'failed' })

// OpenCode shows its own toast about a failure at once; after this delay ours replaces it.
const TOAST_DELAY = 1_000
const TOAST_DURATION = 15_000
// In a window with fewer rows the toast must be short.
const SMALL_WINDOW = 30

let attempts = 0

/**
 * A way to sign in, in the form in which OpenCode lists it.
 * @param {Helper} helper
 * @param {OpenCodeClient | undefined} client
 * @param {Method} method
 * @returns {AuthMethod}
 */
export function signInMethod(helper, client, { label, params, question }) {
  const prompt = question && { type: /** @type {const} */ ('select'), key: 'confirm', ...question }
  return {
    type: 'oauth',
    label,
    ...(prompt && { prompts: [prompt] }),
    authorize: (answers) => signIn(helper, client, { ...params, confirm: answers?.confirm }),
  }
}

/**
 * @param {Helper} helper
 * @param {OpenCodeClient | undefined} client
 * @param {object} params
 * @returns {Promise<Authorization>}
 */
async function signIn(helper, client, params) {
  const attempt = ++attempts
  // The TUI runs plugins in a worker; `opencode auth login` has a terminal but no toasts.
  const at = !isMainThread ? 'tui' : process.argv.includes('login') ? 'terminal' : 'elsewhere'
  const rows = process.stdout.rows ?? 0
  // OpenCode does not say when its dialog is closed, but the TUI's half of the plugin sees it.
  let left = false
  const channel = open(({ closed }) => {
    if (closed) left = true
  })
  let unlisten = () => {}
  const prompted = new Promise((/** @type {(prompt: Prompt) => void} */ resolve) => {
    unlisten = helper.listen((method, prompt) => {
      if (method === 'connect/prompt' && prompt.attempt === attempt) resolve(prompt)
    })
  })
  // Never repeated: that would open another browser window and make the code that is shown invalid.
  // Without a limit, since the helper ends a sign-in when the domain's is over.
  const done = helper.call('connect', { ...params, attempt, view: { at, rows } }, { once: true, limit: Infinity })
  for (const end of [unlisten, channel.end]) done.then(end, end)

  // The result of a sign-in that the person has left. In the TUI there is none, because a
  // result would close whatever dialog is open by then.
  const forgotten = () => (at === 'tui' ? new Promise((/** @type {(result: AuthResult) => void} */ _) => {}) : FAILED)
  const tell = (/** @type {Problem} */ problem, dialogStays = false) => {
    // OpenCode says there that it failed, but not why; the reason comes last.
    if (at === 'terminal') return void process.once('exit', () => writeSync(2, `\n${problem.text}\n`))
    const words = { title: 'Sign-in failed', message: problem.text }
    const shown = dialogStays && rows < SMALL_WINDOW ? { message: problem.message } : words
    const toast = { body: { ...shown, variant: /** @type {const} */ ('error'), duration: TOAST_DURATION } }
    const send = async () => client?.tui.showToast(toast)
    setTimeout(() => send().catch(() => {}), dialogStays ? 0 : TOAST_DELAY).unref()
  }
  const failed = (/** @type {unknown} */ error) => {
    const problem = Problem.from(error)
    // A person who has closed the dialog has given up and does not want to see the failure.
    if (left || problem.kind === 'cancelled') return forgotten()
    tell(problem)
    return FAILED
  }
  const wrong = (/** @type {unknown} */ error) => {
    tell(Problem.from(error), at === 'tui') // the dialog stays open for another try
    return FAILED
  }
  const finish = () => done.then(() => SUCCESS, failed)
  const answer = (pasted = '') => helper.call('connect/answer', { redirect: pasted }).then(finish, wrong)

  try {
    // A sign-in that needs no person ends without a prompt.
    const { url = '', text, paste } = /** @type {Prompt} */ (await Promise.race([prompted, done]))
    // `opencode auth login` shows no instructions where something is to be typed.
    if (paste && at === 'terminal') process.stderr.write(`${text}\n`)
    if (paste) return { url, instructions: text, method: 'code', callback: answer }
    return { url, instructions: text, method: 'auto', callback: finish }
  } catch (error) {
    const problem = Problem.from(error)
    if (problem.kind !== 'cancelled' && at !== 'terminal') tell(problem, at === 'tui')
    // The TUI would close the dialog of a failed sign-in before it can be read, so no result is returned.
    const note = at === 'tui' ? '\n\nClose this with Esc.' : ''
    return { url: '', instructions: problem.text + note, method: 'auto', callback: async () => forgotten() }
  }
}
