// The commands in the TUI's palette.
import { PROVIDER_NAME, validUntil } from './messages.js'
import { Problem } from './problem.js'
import { statusText } from './tools.js'

const CATEGORY = 'Company models'
const LIMIT = 120_000

/**
 * @param {import('./types.js').TuiApi} api
 * @param {import('./helper.js').Helper} helper
 * @param {() => void} changed called when the session may have changed
 * @returns {() => void} takes the commands away
 */
export function commands(api, helper, changed) {
  const show = (/** @type {string} */ message) =>
    api.ui.dialog.replace(() => api.ui.DialogAlert({ title: PROVIDER_NAME, message }))
  const signIn = () => (api.keymap ? api.keymap.dispatchCommand('provider.connect') : api.command?.trigger('provider.connect'))
  const list = [
    command('status', 'Sign-in: show the status', async () => show(statusText(await helper.call('status', {}, { timeout: LIMIT, anew: true })))),
    command('refresh', 'Sign-in: renew the token', async () => {
      const { expiresAt } = await helper.call('refresh', {}, { timeout: LIMIT, anew: true })
      changed()
      api.ui.toast({ variant: 'success', message: `The token was renewed and is ${validUntil(expiresAt)}.` })
    }),
    command('sign-in', 'Sign-in: sign in again', async () => signIn()),
  ]
  // From 1.18 on commands are the keymap's; 1.14 has only the older way.
  if (api.keymap) return api.keymap.registerLayer({ commands: list.map(({ value, run, ...rest }) => ({ ...rest, namespace: 'palette', name: value, run })), bindings: [] })
  return api.command?.register(() => list.map(({ run, ...rest }) => ({ ...rest, onSelect: run }))) ?? (() => {})

  /**
   * @param {string} name
   * @param {string} title
   * @param {() => Promise<unknown>} work
   */
  function command(name, title, work) {
    const run = () => {
      work().catch((error) => api.ui.toast({ variant: 'error', message: Problem.from(error).text }))
    }
    return { value: `oci-oidc.${name}`, title, category: CATEGORY, run }
  }
}
