import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../lib/problem.js'
import { statusItem } from '../lib/status-item.js'

const now = Date.parse('2026-11-24T09:00:00Z')
const inMinutes = (/** @type {number} */ minutes) => new Date(now + minutes * 60_000).toISOString()
const signedIn = { signedIn: true, refreshable: true, domain: 'https://idcs.example.com', expiresAt: inMinutes(43) }
const offline = { problem: { kind: 'network', message: 'No connection.' } }

for (const [what, status, text, colour = 'textMuted'] of /** @type {[string, object, string | undefined, string?][]} */ ([
  ['minutes', signedIn, 'OCI ✓ 43 min'],
  ['part of a minute', { ...signedIn, expiresAt: inMinutes(0.4) }, 'OCI ✓ 1 min'],
  ['an hour', { ...signedIn, expiresAt: inMinutes(60) }, 'OCI ✓ 1 h'],
  ['hours', { ...signedIn, expiresAt: inMinutes(125) }, 'OCI ✓ 2 h 5 min'],
  ['days', { ...signedIn, expiresAt: inMinutes(60 * 50) }, 'OCI ✓ 2 d'],
  ['a token that the next request renews', { ...signedIn, expiresAt: inMinutes(-5) }, 'OCI ✓'],
  ['a renewal that fails', { ...signedIn, ...offline, expiresAt: inMinutes(4) }, 'OCI ! 4 min left', 'warning'],
  ['one that has failed', { ...signedIn, ...offline, expiresAt: inMinutes(-1) }, 'OCI ! not renewed', 'warning'],
  ['no refresh token', { ...signedIn, refreshable: false }, 'OCI ✓ 43 min'],
  ['no refresh token, soon', { ...signedIn, refreshable: false, expiresAt: inMinutes(8) }, 'OCI ! 8 min left', 'warning'],
  ['signed out', { ...signedIn, signedIn: false, expiresAt: undefined }, 'OCI ! /connect', 'warning'],
  ['nothing configured', { signedIn: false, refreshable: false, domain: '', problem: { kind: 'config', message: 'No configuration was found.' } }, undefined],
])) {
  test(`the status item: ${what}`, () => {
    const item = statusItem(/** @type {any} */ (status), now)
    assert.deepEqual(item, text && { text, colour })
    assert.ok((item?.text.length ?? 0) <= 18)
  })
}

test('the status item: no helper', () => {
  assert.deepEqual(statusItem(new Problem('config', 'The package is missing.', 'Install it again.')), { text: 'OCI ! no helper', colour: 'error' })
})
