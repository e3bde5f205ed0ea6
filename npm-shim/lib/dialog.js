// Whether a person has left the dialog of /connect. OpenCode tells the server's part of a
// plugin nothing of Esc, but the part in the TUI, another thread of the same process, sees
// that no dialog is open. Without that part nobody tells, and they count as there.
import { BroadcastChannel } from 'node:worker_threads'

const CHANNEL = 'opencode-oci-oidc: no dialog is open'

// A dialog that takes the place of another one is not there for a moment.
const MOMENT = 100

/**
 * Tells it, for the part in the TUI.
 * @param {() => boolean} open
 * @returns {{ closed(): void, end(): void }} closed is to be called when there may be none
 */
export function dialogs(open) {
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref?.()
  return {
    closed: () => void setTimeout(() => open() || channel.postMessage(''), MOMENT).unref(),
    end: () => channel.close(),
  }
}

/**
 * Listens to it, for the server's part.
 * @param {() => void} left
 * @returns {() => void} ends that
 */
export function whenLeft(left) {
  const channel = new BroadcastChannel(CHANNEL)
  channel.unref?.()
  channel.onmessage = left
  return () => channel.close()
}
