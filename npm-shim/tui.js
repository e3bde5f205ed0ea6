// The entry of OpenCode's TUI, from 1.14 on: a status item beside the prompt, and
// commands in the palette. It runs in another thread than the server's part, with a
// helper of its own.
import { createElement, effect, insert, setProp } from '@opentui/solid'
import { createRoot, createSignal, onCleanup, onMount } from 'solid-js'
import { dialogs } from './lib/dialog.js'
import { acquire } from './lib/helper.js'
import { PROVIDER } from './lib/messages.js'
import { commands } from './lib/palette.js'
import { statusItem } from './lib/status-item.js'
import { watch } from './lib/watch.js'

/** @param {import('./lib/types.js').TuiApi} api */
async function tui(api) {
  const helper = acquire(api.state.path.directory)
  const [item, setItem] = createSignal(/** @type {import('./lib/status-item.js').Item | undefined} */ (undefined))
  const watched = watch(helper, (known) => setItem(statusItem(known)))
  // After a sign-in, and whenever a configuration may have changed.
  const unsubscribe = api.event.on('server.instance.disposed', () => watched.ask())

  const view = () => {
    onMount(() => watched.show())
    onCleanup(() => watched.hide())
    const text = createElement('text')
    setProp(text, 'wrapMode', 'none')
    setProp(text, 'flexShrink', 0)
    insert(text, () => item()?.text ?? '')
    effect(() => setProp(text, 'fg', api.theme.current[item()?.colour ?? 'textMuted']))
    return text
  }
  api.slots.register({ slots: { home_prompt_right: view, session_prompt_right: view } })
  const shown = dialogs(() => api.ui.dialog.open)
  const unwatch = createRoot((dispose) => {
    effect(() => api.ui.dialog.open || shown.closed())
    return dispose
  })
  const unregister = commands(api, helper, () => watched.ask())

  api.lifecycle.onDispose(async () => {
    unsubscribe()
    unregister()
    unwatch()
    shown.end()
    watched.end()
    await helper.release()
  })
}

export default { id: PROVIDER, tui }
