// The provider as OpenCode is told it: what the person wrote in opencode.json wins.
import { createFetch, rehearse } from './fetch.js'
import { PLACEHOLDER_BASE_URL, PROVIDER, PROVIDER_NAME, UNKNOWN_MODEL } from './messages.js'
import { protect } from './permission.js'

// OpenCode starts up behind this; a helper that is slower is asked again by fetch.
const CONFIG_LIMIT = 3_000

/**
 * The `config` hook. OpenCode may hold on to parts of the object for its next instance,
 * so nothing inside of it is changed in place.
 * @param {import('./helper.js').Helper} helper
 * @param {import('./types.js').OpenCodeConfig} config
 * @param {string} worktree
 */
export async function configure(helper, config, worktree) {
  const signal = AbortSignal.timeout(CONFIG_LIMIT)
  const known = await ifKnown(helper.configuration({ signal }))
  const kept = await ifKnown(helper.kept({ signal }))
  if (kept) protect(config, kept, worktree)
  const baseURL = known?.baseURL ?? PLACEHOLDER_BASE_URL
  const defaults = { npm: '@ai-sdk/openai-compatible', name: PROVIDER_NAME, options: { baseURL } }
  const provider = merge(defaults, config.provider?.[PROVIDER] ?? {})
  provider.models = models(known?.models ?? {}, provider.models ?? {}, named(config))
  provider.options = { ...provider.options, fetch: createFetch(helper, baseURL) }
  config.provider = { ...config.provider, [PROVIDER]: provider }
  if (known) setImmediate(() => void rehearse(helper, known))
  return known
}

/**
 * The models to choose from: those that the person lists, with what the endpoint tells
 * of them beneath; without a list, all that the endpoint tells, and what was named as
 * the model to use, which may be known to nobody before the first sign-in.
 * @param {Record<string, any>} told
 * @param {Record<string, any>} listed
 * @param {string[]} named
 * @returns {Record<string, any>}
 */
function models(told, listed, named) {
  const own = Object.entries(listed)
  if (own.length) return Object.fromEntries(own.map(([id, entry]) => [id, merge(toldOf(told, entry?.id ?? id), entry ?? {})]))
  const known = { ...Object.fromEntries(named.map((id) => [id, {}])), ...told }
  return Object.keys(known).length ? known : UNKNOWN_MODEL
}

/**
 * @param {Record<string, any>} told
 * @param {string} id
 */
function toldOf(told, id) {
  return Object.hasOwn(told, id) ? told[id] : {}
}

/**
 * The models of this provider that OpenCode is to use.
 * @param {import('./types.js').OpenCodeConfig} config
 */
function named({ model, small_model }) {
  return [model, small_model].flatMap((name) => (name?.startsWith(`${PROVIDER}/`) ? [name.slice(PROVIDER.length + 1)] : []))
}

/**
 * What the helper says, if it does so in time.
 * @template T
 * @param {Promise<T>} answer
 * @returns {Promise<T | undefined>}
 */
async function ifKnown(answer) {
  try {
    return await answer
  } catch {
    return undefined
  }
}

/**
 * A deep copy of defaults with own over it.
 * @param {Record<string, any>} defaults
 * @param {Record<string, any>} own
 * @returns {Record<string, any>}
 */
function merge(defaults, own) {
  const merged = { ...defaults }
  for (const [key, value] of Object.entries(own)) {
    if (value === undefined || key === '__proto__') continue
    merged[key] = isPlain(value) && isPlain(merged[key]) ? merge(merged[key], value) : value
  }
  return merged
}

/** @param {unknown} value */
function isPlain(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
