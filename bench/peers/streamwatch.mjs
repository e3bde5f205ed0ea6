// Notes for each long streamed answer after how many milliseconds its first and its last
// chunk reach the provider. To be listed after the plugin that is measured.
import { appendFileSync } from 'node:fs'

const longAnswer = 100_000 // bytes: not the title that OpenCode asks for

export default async () => ({
  async config(config) {
    const options = (config.provider['oci-oidc'].options ??= {})
    const fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init))
    options.fetch = async (input, init) => {
      const began = performance.now()
      const answer = await fetch(input, init)
      if (!answer.body) return answer
      let first, last
      let bytes = 0
      const watched = answer.body.pipeThrough(
        new TransformStream({
          transform(chunk, out) {
            last = performance.now() - began
            first ??= last
            bytes += chunk.length
            out.enqueue(chunk)
          },
          flush() {
            if (bytes > longAnswer) appendFileSync(process.env.BENCH_STREAM, `${first} ${last}\n`)
          },
        }),
      )
      return new Response(watched, { status: answer.status, statusText: answer.statusText, headers: answer.headers })
    }
  },
})
