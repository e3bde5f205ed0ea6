// What stands beside the prompt: whether and for how long the session is good. There
// is room for some 18 columns, since the name of the provider stands there, too.
import { Problem } from './problem.js'

/** @typedef {{ text: string, colour: 'textMuted' | 'warning' | 'error' }} Item */

// A sign-in takes a person a moment: so long before it is needed it is told.
const SOON = 10

/**
 * Nothing is shown where nothing is configured.
 * @param {import('./types.js').Status | Problem} known
 * @returns {Item | undefined}
 */
export function statusItem(known, now = Date.now()) {
  if (known instanceof Problem) return { text: 'OCI ! no helper', colour: 'error' }
  const { domain, signedIn, refreshable, expiresAt, problem } = known
  if (!domain) return undefined
  if (!signedIn) return warning('/connect')
  const left = expiresAt ? Math.ceil((Date.parse(expiresAt) - now) / 60_000) : 0
  if (!refreshable) return left > SOON ? good(inShort(left)) : warning(`${inShort(left)} left`)
  if (problem) return warning(left > 0 ? `${inShort(left)} left` : 'not renewed')
  // One that has ended is renewed with the next request.
  return good(left > 0 ? inShort(left) : '')
}

/** @param {string} text */
function good(text) {
  return /** @type {Item} */ ({ text: `OCI ✓ ${text}`.trim(), colour: 'textMuted' })
}

/** @param {string} text */
function warning(text) {
  return /** @type {Item} */ ({ text: `OCI ! ${text}`, colour: 'warning' })
}

/** @param {number} minutes */
function inShort(minutes) {
  if (minutes < 60) return `${Math.max(minutes, 0)} min`
  const hours = Math.floor(minutes / 60)
  return hours < 24 ? `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}` : `${Math.floor(hours / 24)} d`
}
