// A plugin of the common shape: all of it in JavaScript, its token in a file that it
// reads at each request.
import { readFile } from 'node:fs/promises'

export default async () => ({
  async config(config) {
    const provider = config.provider['oci-oidc']
    provider.options = {
      apiKey: 'unused',
      baseURL: process.env.BENCH_ENDPOINT,
      async fetch(input, init) {
        const { accessToken, expiresAt } = JSON.parse(await readFile(process.env.BENCH_TOKENS, 'utf8'))
        if (Date.parse(expiresAt) < Date.now() + 60_000) throw new Error('expired')
        const headers = new Headers(init?.headers)
        headers.set('authorization', `Bearer ${accessToken}`)
        return globalThis.fetch(input, { ...init, headers })
      },
    }
  },
})
