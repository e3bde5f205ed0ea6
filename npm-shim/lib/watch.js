// Keeps a view of the session's status up to date, as long as somebody sees it.
import { Problem } from './problem.js'

const MINUTE = 60_000
// The helper answers from memory and disk.
const LIMIT = 10_000

/**
 * The helper is asked once a minute while the view is shown and something is
 * configured, besides when it says itself that something has changed.
 * @param {import('./helper.js').Helper} helper
 * @param {(known: import('./types.js').Status | Problem) => void} tell
 */
export function watch(helper, tell) {
  let shown = 0
  let asking = false
  /** @type {NodeJS.Timeout | undefined} */
  let timer

  async function ask() {
    if (asking || !shown) return
    asking = true
    clearTimeout(timer)
    const known = await statusOf(helper)
    asking = false
    if (!shown) return
    tell(known)
    if (known instanceof Problem || known.domain) timer = setTimeout(ask, MINUTE).unref()
  }

  const unlisten = helper.listen((method) => method === 'session/changed' && ask())
  return {
    ask,
    show() {
      if (shown++ === 0) ask()
    },
    hide() {
      if (--shown === 0) clearTimeout(timer)
    },
    end() {
      shown = 0
      clearTimeout(timer)
      unlisten()
    },
  }
}

/**
 * @param {import('./helper.js').Helper} helper
 * @returns {Promise<import('./types.js').Status | Problem>}
 */
async function statusOf(helper) {
  try {
    return await helper.call('status', {}, { timeout: LIMIT })
  } catch (error) {
    return Problem.from(error)
  }
}
