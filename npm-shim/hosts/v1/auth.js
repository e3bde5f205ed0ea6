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

// OpenCode wants a key for auth.json; the token stays with the helper.
const SUCCESS = /** @type {const} */ ({ type: 'success', provider: 'oci-oidc', key: 'kept-by-opencode-oci-oidc' })
const FAILED = /** @type {const} */ ({ type: 'failed' })

// The helper ends a sign-in in its time, which the domain names.
const LIMIT = 3_600_000
// OpenCode's own toast about a failure comes with the failure; ours is to replace it.
const TOAST_DELAY = 1_000
const TOAST_DURATION = 15_000
// In a smaller window there is little room above the dialog.
const SMALL_WINDOW = 30

let attempts = 0

/**
 * A way to sign in, as OpenCode lists it.
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
  // Never repeated: another browser window would open, and the code that is shown be dead.
  const done = helper.call('connect', { ...params, attempt, view: { at, rows } }, { once: true, limit: LIMIT })
  for (const end of [unlisten, channel.end]) done.then(end, end)

  // The end of a sign-in that nobody waits for. The TUI would close whatever dialog is open.
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
    // Whoever has closed the dialog has given up, and is told nothing more.
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
    // A sign-in that needs nobody ends without a prompt.
    const { url = '', text, paste } = /** @type {Prompt} */ (await Promise.race([prompted, done]))
    // `opencode auth login` shows no instructions where something is to be typed.
    if (paste && at === 'terminal') process.stderr.write(`${text}\n`)
    if (paste) return { url, instructions: text, method: 'code', callback: answer }
    return { url, instructions: text, method: 'auto', callback: finish }
  } catch (error) {
    const problem = Problem.from(error)
    if (problem.kind !== 'cancelled' && at !== 'terminal') tell(problem, at === 'tui')
    // The TUI closes the dialog of what has failed before it can be read: there it stays.
    const note = at === 'tui' ? '\n\nClose this with Esc.' : ''
    return { url: '', instructions: problem.text + note, method: 'auto', callback: async () => forgotten() }
  }
}
