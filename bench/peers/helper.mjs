// A helper in Node, for comparison: answers each line with the token in a file.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const { accessToken: accessToken } = JSON.parse(readFileSync(process.argv[2], 'utf8'))
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id } = JSON.parse(line)
  process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result: { accessToken, tokenType: 'Bearer' } }) + '\n')
})
