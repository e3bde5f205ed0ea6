// Held by tsc: the hooks that the plugin returns are those of @opencode-ai/plugin.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import plugin from '../hosts/v1/plugin.js'

/** @typedef {import('@opencode-ai/plugin').Hooks} Hooks */
/** @typedef {Awaited<ReturnType<typeof plugin>>} Ours */

/** @type {(ours: Pick<Ours, 'auth' | 'dispose' | 'tool.execute.before' | 'tool.execute.after'>) => Hooks} */
const asHooks = (ours) => ours
/** @type {(input: import('@opencode-ai/plugin').PluginInput) => Parameters<typeof plugin>[0]} */
const asInput = (input) => /** @type {any} */ (input)

test('the types of OpenCode fit', () => {
  assert.equal([asHooks, asInput].length, 2)
})
