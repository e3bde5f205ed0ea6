// Asks a program for tokens over stdio, as the shim does, and tells how long that
// took: client.mjs CALLS PROGRAM [ARGUMENT...]. For Node and for Bun.
import { spawn } from 'node:child_process'

const [calls, program, ...args] = process.argv.slice(2)
const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
let waiting = () => {}
let rest = ''
child.stdout.setEncoding('utf8')
child.stdout.on('data', (text) => {
  const lines = (rest + text).split('\n')
  rest = lines.pop()
  for (const line of lines) waiting(line)
})

let id = 0
const ask = (method = 'getToken', params = {}) => child.stdin.write(JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }) + '\n')

async function oneByOne(n) {
  const times = []
  for (let i = 0; i < n; i++) {
    const began = process.hrtime.bigint()
    await new Promise((resolve) => {
      waiting = (line) => {
        if (JSON.parse(line).error) throw new Error(line)
        resolve()
      }
      ask()
    })
    times.push(Number(process.hrtime.bigint() - began) / 1000)
  }
  return times.sort((a, b) => a - b)
}

async function manyAtOnce(n, inFlight) {
  const began = process.hrtime.bigint()
  let answered = 0
  await new Promise((resolve) => {
    waiting = () => {
      answered++
      if (answered === n) resolve()
      else if (answered + inFlight <= n) ask()
    }
    for (let i = 0; i < inFlight; i++) ask()
  })
  return n / (Number(process.hrtime.bigint() - began) / 1e9)
}

await oneByOne(300)
const times = await oneByOne(Number(calls))
const rate = await manyAtOnce(Number(calls) * 5, 100)
const quantile = (q) => times[Math.floor(q * (times.length - 1))]
console.log(JSON.stringify([quantile(0.5), quantile(0.99), rate]))
child.stdin.end()
