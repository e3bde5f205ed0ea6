import assert from 'node:assert/strict'
import { test } from 'node:test'
import { count } from '../packaging/count.js'

test('the shim stays tiny', () => {
  const files = count()
  assert.ok(files.length <= 12, `${files.length} files`)
  const sum = files.reduce((total, { lines }) => total + lines, 0)
  assert.ok(sum > 100 && sum <= 750, `${sum} lines of code`)
  for (const { name, lines } of files) assert.ok(lines <= 150, `${name}: ${lines} lines of code`)
})

test('so does what version 2 of the host needs', () => {
  const sum = count(['hosts/v2']).reduce((total, { lines }) => total + lines, 0)
  assert.ok(sum > 100 && sum <= 300, `${sum} lines of code`)
})
