// Notes for each request how long it waits inside the provider's fetch before it
// leaves. To be listed behind the plugin that is measured.
import { AsyncLocalStorage } from 'node:async_hooks'
import { appendFileSync } from 'node:fs'

const requests = new AsyncLocalStorage()
const leave = globalThis.fetch

globalThis.fetch = function (...args) {
  const request = requests.getStore()
  if (request && !request.left) {
    request.left = true
    appendFileSync(process.env.BENCH_WAITS, `${performance.now() - request.began}\n`)
  }
  return leave.apply(this, args)
}

export default async () => ({
  async config(config) {
    const options = (config.provider['oci-oidc'].options ??= {})
    const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
    options.fetch = (input, init) => requests.run({ began: performance.now() }, () => fetch(input, init))
  },
})
