// The person in front of OpenCode: where they are, what they are shown during a
// sign-in, and how they learn that it failed.
import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { validUntil } from './messages.js'

/** @typedef {import('./types.js').Prompt} Prompt */
/** @typedef {{ at: 'tui' | 'prompt' | 'elsewhere', rows: number }} Person */

// OpenCode's own toast about a failure comes with the failure; ours is to replace it.
const TOAST_DELAY = 1_000
const TOAST_DURATION = 15_000

// The dialog of the TUI: it begins a quarter down the window, and is cut off below it.
const DIALOG_COLUMNS = 56
const SMALL_WINDOW = 30

/**
 * The TUI runs plugins in a worker; `opencode auth login` has a terminal but no toasts.
 * @returns {Person}
 */
export function person() {
  const at = !isMainThread ? 'tui' : process.argv.includes('login') ? 'prompt' : 'elsewhere'
  return { at, rows: process.stdout.rows ?? 0 }
}

/**
 * What to do, in lines that fit the dialog. Its key `c` copies a code that looks like
 * XXXX-XXXX, else the address. The code is shown as the domain spells it: it may not
 * take another.
 * @param {Prompt} prompt
 * @param {Person} person
 */
export function instructions(prompt, { at, rows }) {
  const { flow, url, userCode, browserOpened, expiresAt, qr = [] } = prompt
  const time = `This sign-in is ${validUntil(expiresAt)}.`
  if (flow === 'paste') {
    // OpenCode's own word on the key Enter is cut off there.
    if (at === 'tui' && rows < SMALL_WINDOW) return 'Sign in there, paste the address where it ends, Enter.'
    return [
      'Open the address in any browser, and sign in. It ends at',
      'a page that cannot be opened: copy the whole address of',
      'that page, and paste it here.',
      ...(at === 'tui' ? ['To copy the address below, select it with the mouse.'] : []),
      time,
    ].join('\n')
  }
  if (!userCode) {
    const what = browserOpened ? 'A browser window has been opened: sign in there.' : 'Open the address in a browser on this computer.'
    return [what, time].join('\n')
  }
  const copied = /[A-Z0-9]{4}-[A-Z0-9]{4,5}/.test(userCode) ? 'code' : 'address'
  const lines = [
    `Code: ${userCode}`,
    'Open the address on any device and enter the code.',
    ...(at === 'tui' ? [`The key c copies the ${copied}.`] : []),
    time,
  ]
  const begin = Math.floor(rows / 4) + 5 + Math.ceil(url.length / DIALOG_COLUMNS)
  const fits = begin + lines.length + qr.length <= rows
  return [...lines, ...(fits ? ['', ...qr] : [])].join('\n')
}

/**
 * Tells why a sign-in failed. Where the dialog stays, OpenCode tells nothing of its own,
 * and in a small window there is little room above it.
 * @param {Person} person
 * @param {import('./types.js').OpenCodeClient | undefined} client
 * @param {import('./problem.js').Problem} problem
 * @param {{ dialogStays?: boolean }} [options]
 */
export function tell({ at, rows }, client, problem, { dialogStays = false } = {}) {
  if (at === 'prompt') {
    // OpenCode says there that it failed, but not why; the reason comes last.
    process.once('exit', () => writeSync(2, `\n${problem.text}\n`))
    return
  }
  const brief = dialogStays && rows < SMALL_WINDOW
  const words = brief ? { message: problem.message } : { title: 'Sign-in failed', message: problem.text }
  const show = async () => {
    await client?.tui.showToast({ body: { ...words, variant: 'error', duration: TOAST_DURATION } })
  }
  setTimeout(() => show().catch(() => {}), dialogStays ? 0 : TOAST_DELAY).unref()
}
