import assert from 'node:assert/strict'
import { test } from 'node:test'
import { instructions } from '../lib/person.js'
import { inMinutes } from '../testing/setup.js'

/** @type {import('../lib/types.js').Prompt} */
const code = {
  flow: 'device',
  url: 'https://idcs-0123456789abcdef0123456789abcdef.identity.oraclecloud.com/ui/v1/device',
  userCode: 'SDFGHJKL',
  expiresAt: inMinutes(5),
  browserOpened: false,
  qr: Array(19).fill('█'.repeat(37)),
}
/** @type {import('../lib/types.js').Prompt} */
const paste = { flow: 'paste', url: 'https://idcs-1.identity.oraclecloud.com/oauth2/v1/authorize?…', expiresAt: inMinutes(5), browserOpened: false }
const large = /** @type {const} */ ({ at: 'tui', rows: 40 })
const small = /** @type {const} */ ({ at: 'tui', rows: 24 })

test('every line fits the dialog', () => {
  for (const prompt of [code, paste, { ...code, userCode: 'WDJB-MJHT' }]) {
    for (const line of instructions(prompt, large).split('\n')) assert.ok(line.length <= 56, line)
  }
})

test('the code for a camera comes last, where the window has room for all of it', () => {
  assert.deepEqual(instructions(code, large).split('\n').slice(-20), ['', ...(code.qr ?? [])])
  for (const person of [small, /** @type {const} */ ({ at: 'tui', rows: 38 }), /** @type {const} */ ({ at: 'elsewhere', rows: 0 })]) {
    assert.doesNotMatch(instructions(code, person), /█/)
  }
})

test('what OpenCode copies is said, and the code is spelled as the domain spells it', () => {
  assert.match(instructions(code, small), /^Code: SDFGHJKL\n[^]*^The key c copies the address\.$/m)
  assert.match(instructions({ ...code, userCode: 'WDJB-MJHT' }, small), /^Code: WDJB-MJHT\n[^]*^The key c copies the code\.$/m)
  assert.doesNotMatch(instructions(code, { at: 'prompt', rows: 24 }), /key c/)
})

test('a long address leaves one line in a small window', () => {
  assert.equal(instructions(paste, small).split('\n').length, 1)
  assert.match(instructions(paste, large), /This sign-in is valid for 5 minutes/)
})
