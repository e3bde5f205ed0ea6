// The half in OpenCode's TUI, from 1.14 on: a status item beside the prompt, and commands
// in the palette. It runs in another thread than the server's half, whose helper it asks.
import { createElement, effect, insert, setProp } from '@opentui/solid'
import { createRoot, createSignal } from 'solid-js'
import { open } from './bridge.js'

/** @import { Item, CommandResult } from '../../lib/interface.d.ts' */
/** @import { TuiApi } from './types.d.ts' */

const COLOURS = /** @type {const} */ ({ good: 'textMuted', warning: 'warning', error: 'error' })

// When one dialog replaces another, for a moment none is open.
const MOMENT = 100

/** @param {TuiApi} api */
export async function tui(api) {
  const [item, setItem] = createSignal(/** @type {Item | undefined} */ (undefined))
  const here = () => api.state.path.directory
  /** @type {(() => void) | undefined} */
  let unregister
  const channel = open(({ from, item, commands = [], result }) => {
    if (from !== here()) return
    setItem(item)
    show(api, result)
    // Not after a result: a command that changes nothing would be sent for ever.
    if (item?.command && !result) channel.send({ to: here(), command: item.command })
    if (commands.length > 0) unregister ??= register(api, commands, (command) => channel.send({ to: here(), command }))
  })
  const ask = () => channel.send({ to: here() })

  const view = () => {
    const text = createElement('text')
    setProp(text, 'wrapMode', 'none')
    setProp(text, 'flexShrink', 0)
    insert(text, () => item()?.text ?? '')
    effect(() => setProp(text, 'fg', api.theme.current[COLOURS[item()?.level ?? 'good']]))
    return text
  }
  api.slots.register({ slots: { home_prompt_right: view, session_prompt_right: view } })
  const gone = () => api.ui.dialog.open || channel.send({ closed: true })
  const unwatch = createRoot((dispose) => {
    effect(() => api.ui.dialog.open || setTimeout(gone, MOMENT).unref())
    return dispose
  })
  const unsubscribe = api.event.on('server.instance.disposed', ask)
  ask()
  api.lifecycle.onDispose(async () => {
    unsubscribe()
    unregister?.()
    unwatch()
    channel.end()
  })
}

/**
 * Shows the result of a command.
 * @param {TuiApi} api
 * @param {CommandResult} [result]
 */
function show(api, { alert, toast, dispatch } = {}) {
  if (alert) api.ui.dialog.replace(() => api.ui.DialogAlert(alert))
  if (toast) api.ui.toast(toast)
  if (dispatch) api.keymap ? api.keymap.dispatchCommand(dispatch) : api.command?.trigger(dispatch)
}

/**
 * Registers commands with the keymap (from 1.18 on) or in the older way (1.14).
 * @param {TuiApi} api
 * @param {{ name: string, title: string, category: string }[]} commands
 * @param {(command: string) => void} run
 */
function register(api, commands, run) {
  if (!api.keymap) {
    const list = commands.map(({ name, ...rest }) => ({ ...rest, value: name, onSelect: () => run(name) }))
    return api.command?.register(() => list) ?? (() => {})
  }
  const list = commands.map((command) => ({ ...command, namespace: 'palette', run: () => run(command.name) }))
  return api.keymap.registerLayer({ commands: list, bindings: [] })
}
