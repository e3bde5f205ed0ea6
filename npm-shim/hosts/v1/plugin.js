// The plugin as OpenCode 1 calls it: once a directory, and again after each sign-in. It
// never waits for OpenCode's client, which answers only after start-up.
import { createFetch } from '../../lib/fetch.js'
import { acquire, PROVIDER } from '../../lib/helper.js'
import { Problem, visible } from '../../lib/problem.js'
import { redacted } from '../../lib/redact.js'
import { signInMethod } from './auth.js'
import { answerTUI } from './bridge.js'

/** @import { PluginInput, Hooks } from './types.d.ts' */
/** @typedef {import('../../lib/helper.js').Helper} Helper */

// OpenCode's start waits for this. If the helper is slower, the first request calls it again.
const START_LIMIT = 3_000

/**
 * @param {PluginInput} input
 * @returns {Promise<Hooks>}
 */
export default async function plugin({ directory, worktree = directory, client }) {
  const helper = acquire(directory, 'opencode-1')
  /** @type {Hooks['auth']['methods']} */
  const methods = []
  /** @type {Hooks['tool']} */
  const tool = {}
  const offer = (/** @type {any[]} */ offered) => {
    methods.splice(0, methods.length, ...offered.map((method) => signInMethod(helper, client, method)))
  }
  const unlisten = helper.listen((method, params) => method === 'connect/methods' && offer(params.methods))
  const bridge = answerTUI(helper, directory)
  let disposed = false
  const configure = (/** @type {object} */ own) =>
    helper.call('configure', { ...own, worktree }, { signal: AbortSignal.timeout(START_LIMIT) })
  // `opencode auth login` of 1.2 calls no config hook, so the ways to sign in are asked for here.
  const first = await configure({}).catch(() => UNKNOWN)
  offer(first.methods)
  for (const { name, description } of first.tools) {
    const failed = (/** @type {unknown} */ error) => ({ output: Problem.from(error).text })
    const ask = (/** @type {any} */ context) => helper.call('tool', { name }, { signal: context?.abort }).catch(failed)
    tool[name] = { description, args: {}, execute: async (_, context) => (await ask(context)).output }
  }
  bridge.tell({ commands: first.commands })
  return {
    auth: { provider: PROVIDER, methods },
    async config(config) {
      const { model, small_model, permission, agent, mode, provider: written = {} } = config
      const own = Object.fromEntries(Object.entries(written).filter(([id]) => id.startsWith(PROVIDER)))
      const unknown = Object.entries({ [PROVIDER]: {}, ...own }).map(([id, entry]) => [id, { ...BARE, ...entry }])
      const asked = configure({ model, small_model, permission, agent, mode, providers: own })
      const answer = await asked.catch(() => ({ ...UNKNOWN, providers: Object.fromEntries(unknown) }))
      const { providers, methods, tools, commands, ...rest } = answer
      offer(methods)
      const failed = (/** @type {unknown} */ error) => Promise.reject(error instanceof Problem ? thrown(error) : error)
      const complete = (/** @type {[string, any]} */ [id, provider]) => {
        const options = { ...BARE.options, ...provider.options }
        // A base URL from opencode.json is not an earlier one of ours, so requests to it are refused.
        const fetch = createFetch(helper, own[id]?.options?.baseURL ? '' : options.baseURL, id)
        options.fetch = (/** @type {Parameters<typeof fetch>} */ ...args) => fetch(...args).catch(failed)
        return [id, { ...provider, options }]
      }
      // OpenCode may keep references to parts of its object, so none of them is changed in place.
      const all = { ...written, ...Object.fromEntries(Object.entries(providers).map(complete)) }
      Object.assign(config, rest, { provider: all })
    },
    tool,
    async 'tool.execute.before'({ tool }, { args }) {
      const unjudged = (/** @type {unknown} */ error) => ({ deny: `${UNJUDGED}\n${Problem.from(error).text}` })
      const verdict = await helper.call('guard', { tool, args, directory }, { limit: 30_000 }).catch(unjudged)
      if (verdict?.deny !== '') throw new Error(visible(verdict?.deny ?? UNJUDGED))
    },
    async 'tool.execute.after'({ tool }, result) {
      try {
        const clean = await redacted(helper, { tool, directory }, result)
        if (clean === result) return
        for (const key of Object.keys(result)) delete result[key]
        Object.assign(result, clean)
      } catch (error) {
        throw new Error(`${WITHHELD}\n${Problem.from(error).text}`)
      }
    },
    async dispose() {
      if (disposed) return
      disposed = true
      unlisten()
      bridge.end()
      await helper.release()
    },
  }
}

// The provider while the helper does not answer. OpenCode does not list one without models,
// not even in /connect. `.invalid` never resolves (RFC 6761).
const BARE = {
  npm: '@ai-sdk/openai-compatible',
  name: 'Company models (OCI identity domain)',
  options: /** @type {any} */ ({ baseURL: 'http://oci-oidc.invalid/v1' }),
  models: { 'sign-in-first': { name: 'Sign in with /connect' } },
}
const UNKNOWN = { methods: [{ label: 'Sign in', params: {} }], tools: [], commands: [] }
const UNJUDGED = 'This call was not made, since the plugin opencode-oci-oidc could not judge it.'
const WITHHELD = 'The result is withheld, since the plugin opencode-oci-oidc could not search it for secrets.'

// Texts that make OpenCode 1.18 retry, anywhere in a message: "port 15003" counts as a 500.
const RETRIED = new RegExp(
  '429|50[0234]|524|rate increased too quickly|rate[- _]limit|too[ _]many[ _]requests|overloaded|unavailable|exhausted' +
    '|internal[ _]error|server[- _]error|provider[- _]returned[- _]error|terminated|fetch failed|failed to fetch' +
    '|network[-_\\s]error|upstream connect|connection (?:error|refused|lost)|socket connection was closed' +
    '|socket hang up|reset before headers|getaddrinfo|enotfound|eai_again|econnrefused|econnreset|etimedout|^timeout$' +
    '|\\b(?:request|response|connection|network|stream|read) (?:timeout|timed out|time out)\\b' +
    '|(?:re)?try your request|\\btry again (?:later|in\\b)|\\b(?:currently|temporarily) at capacity\\b',
  'i',
)
// Matches RETRIED.
const PASSING = 'This usually passes: try again in a moment.'

/**
 * Returns the error that fetch throws. OpenCode up to 1.14 decides by the error's marks
 * whether to retry, and 1.18 by its words. A text that 1.18 would retry although it should
 * not is replaced by the fixed sentence of its kind.
 * @param {Problem} problem
 */
function thrown(problem) {
  if (problem.retryable) {
    return Object.assign(marked('AI_APICallError', `${problem.text}\n${PASSING}`), { isRetryable: true })
  }
  return marked('AI_LoadAPIKeyError', RETRIED.test(problem.text) ? problem.brief : problem.text)
}

/**
 * An error with the symbols by which the AI SDK recognises its own errors.
 * @param {string} name
 * @param {string} message
 */
function marked(name, message) {
  const marks = [Symbol.for('vercel.ai.error'), Symbol.for(`vercel.ai.error.${name}`)]
  return Object.assign(new Error(message), { name }, Object.fromEntries(marks.map((mark) => [mark, true])))
}
