import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { watch } from '../lib/watch.js'

const configured = { signedIn: true, refreshable: true, domain: 'https://idcs.example.com' }

/**
 * A watch over a helper that says what known says, and how often it was asked.
 * @param {import('node:test').TestContext} t
 * @param {() => unknown} known
 */
function watching(t, known) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let asked = 0
  /** @type {unknown[]} */
  const told = []
  /** @type {Set<(method: string) => void>} */
  const listeners = new Set()
  const helper = {
    call: async () => (asked++, known()),
    listen: (/** @type {(method: string) => void} */ listener) => (listeners.add(listener), () => listeners.delete(listener)),
  }
  const watched = watch(/** @type {any} */ (helper), (status) => told.push(status))
  const after = async (/** @type {number} */ seconds) => {
    t.mock.timers.tick(seconds * 1_000)
    await setImmediate()
    return asked
  }
  return { watched, told, after, notify: (/** @type {string} */ method) => listeners.forEach((listener) => listener(method)), listeners }
}

test('the helper is asked once a minute, while the item is shown', async (t) => {
  const { watched, told, after } = watching(t, () => configured)
  assert.equal(await after(300), 0)
  watched.show()
  assert.equal(await after(0), 1)
  assert.equal(await after(59), 1)
  assert.equal(await after(1), 2)
  watched.show()
  watched.hide()
  assert.equal(await after(60), 3)
  assert.equal(told.length, 3)
  watched.hide()
  assert.equal(await after(600), 3)
  watched.show()
  assert.equal(await after(0), 4)
})

test('it is not asked again where nothing is configured, until something changes', async (t) => {
  const { watched, after } = watching(t, () => ({ signedIn: false, domain: '' }))
  watched.show()
  assert.equal(await after(0), 1)
  assert.equal(await after(600), 1)
  watched.ask()
  assert.equal(await after(0), 2)
})

test('what the helper says itself is not waited for', async (t) => {
  const { watched, after, notify, listeners } = watching(t, () => configured)
  watched.show()
  assert.equal(await after(0), 1)
  notify('session/changed')
  assert.equal(await after(0), 2)
  notify('connect/prompt')
  assert.equal(await after(59), 2)
  watched.end()
  assert.equal(listeners.size, 0)
  assert.equal(await after(600), 2)
})

test('a helper that is missing is told, and looked for again', async (t) => {
  const { watched, told, after } = watching(t, () => {
    throw new Error('not there')
  })
  watched.show()
  await after(0)
  assert.equal(/** @type {any} */ (told[0]).name, 'Problem')
  assert.equal(await after(60), 2)
})
