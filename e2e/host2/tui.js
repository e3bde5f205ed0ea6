// The command line's part of OpenCode 2: it loads `./tui` and shows what that puts into
// the slots, as text.
import { pathToFileURL } from 'node:url'
import { createRenderer } from 'solid-js/universal'
import { createRoot } from 'solid-js'
import { resolveEntry } from './host.js'

/** @typedef {{ type: string, text?: string, parent?: Node, children: Node[] }} Node */

/** What (CLI plugin, RPC, log) the host supplies as @opentui/solid, over nodes of text. */
export const renderer = createRenderer({
  createElement: (type) => /** @type {Node} */ ({ type, children: [] }),
  createTextNode: (text) => ({ type: '#text', text, children: [] }),
  replaceText: (node, text) => void (node.text = text),
  isTextNode: (node) => node.type === '#text',
  setProperty() {},
  insertNode(parent, node, anchor) {
    node.parent = parent
    const at = anchor ? parent.children.indexOf(anchor) : -1
    parent.children.splice(at < 0 ? parent.children.length : at, 0, node)
  },
  removeNode: (parent, node) => void (parent.children = parent.children.filter((child) => child !== node)),
  getParentNode: (node) => node.parent,
  getFirstChild: (node) => node.children[0],
  getNextSibling: (node) => node.parent?.children[node.parent.children.indexOf(node) + 1],
})

export class CommandLine {
  /** @type {Map<string, ((input: object) => unknown)[]>} */
  #slots = new Map()
  /** @type {undefined | (() => void | Promise<void>)} */
  #cleanup
  /** @type {object[]} what was shown for a moment */
  toasts = []

  /**
   * (CLI plugin, RPC, log) It comes with the server's list, also from another machine: what
   * it needs of the server it asks for over RPC.
   * @param {string} folder
   * @param {import('./host.js').Location} location
   */
  async load(folder, location) {
    /** @type {import('../../npm-shim/hosts/v2/contract.js').CliPlugin} */
    const { id, setup } = (await import(pathToFileURL(resolveEntry(folder, 'tui')).href)).default ?? {}
    if (typeof id !== 'string' || typeof setup !== 'function') throw new Error('Invalid V2 TUI plugin module')
    /** @type {import('../../npm-shim/hosts/v2/contract.js').CliContext} */
    const context = {
      location: { directory: location.directory },
      client: { rpc: (definition) => clientOf(definition, location) },
      theme: { text: {} },
      ui: {
        slot: ({ append, render }) => {
          this.#slots.set(append, [...(this.#slots.get(append) ?? []), render])
          return () => void this.#slots.set(append, (this.#slots.get(append) ?? []).filter((other) => other !== render))
        },
        toast: { show: (toast) => void this.toasts.push(toast) },
      },
    }
    this.#cleanup = (await setup(context)) ?? undefined
  }

  /** @param {string} name of a slot */
  shows(name) {
    return createRoot((dispose) => {
      const text = (this.#slots.get(name) ?? []).map((render) => textOf(/** @type {any} */ (render({})))).join(' ')
      dispose()
      return text
    })
  }

  async unload() {
    await this.#cleanup?.()
  }
}

/** @param {Node | undefined} node @returns {string} */
function textOf(node) {
  if (!node) return ''
  return (node.text ?? '') + node.children.map(textOf).join('')
}

/** @param {any} definition @param {import('./host.js').Location} location @returns {any} */
function clientOf(definition, location) {
  // (CLI plugin, RPC, log) It is plain data that goes over the network.
  const method = (/** @type {string} */ name) => async (/** @type {unknown} */ input = {}) => {
    const handler = location.rpc.get(definition.id)?.handlers[name]
    if (!handler) throw new Error(`RPC method not found: ${definition.id}.${name}`)
    return JSON.parse(JSON.stringify(await handler(input)))
  }
  const on = (/** @type {string} */ name, /** @type {(event: { data: object }) => void} */ handler) => {
    const listener = (/** @type {string} */ emitted, /** @type {object} */ data) => void (emitted === name && handler({ data }))
    location.rpc.get(definition.id)?.listeners.add(listener)
    return () => void location.rpc.get(definition.id)?.listeners.delete(listener)
  }
  return { ...Object.fromEntries(Object.keys(definition.methods).map((name) => [name, method(name)])), events: { on } }
}
