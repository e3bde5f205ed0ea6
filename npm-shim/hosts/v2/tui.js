// OpenCode 2, the command line's part: a status beside the prompt. It starts no helper.
import { createElement, effect, insert, setProp } from '@opentui/solid'
import { createSignal } from 'solid-js'
import rpc from './rpc.js'

/** @param {import('./contract.d.ts').CliContext} context */
export function setup({ client, theme, ui }) {
  const server = client.rpc(rpc)
  const [item, setItem] = createSignal(/** @type {Partial<import('../../lib/interface.d.ts').Item>} */ ({}))
  const tell = (/** @type {any} */ toast) => toast.message && ui.toast?.show(toast)
  const show = (/** @type {any} */ item) => {
    setItem(item)
    if (item.command) server.command?.({ name: item.command }).then(tell, () => {})
  }
  const unlisten = server.events.on('changed', ({ data }) => show(data))
  server.status?.({}).then(show, () => {}) // an older server has no such method

  const render = () => {
    const text = createElement('text')
    setProp(text, 'wrapMode', 'none')
    setProp(text, 'flexShrink', 0)
    insert(text, () => item().text ?? '')
    // The names of colours differ between versions.
    const subdued = theme?.text?.subdued ?? theme?.text?.muted
    effect(() => item().level === 'good' && subdued && setProp(text, 'fg', subdued))
    return text
  }
  const slots = ['prompt.footer.status', 'home.footer.status'].map((append) => ui.slot({ append, render }))
  return () => {
    unlisten()
    for (const remove of slots) remove()
  }
}
