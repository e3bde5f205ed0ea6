// The provider as OpenCode is told it: what the person wrote in opencode.json wins.
import { createFetch } from './fetch.js'
import { PLACEHOLDER_BASE_URL, PROVIDER, PROVIDER_NAME } from './messages.js'

// OpenCode starts up behind this; a helper that is slower is asked again by fetch.
const CONFIG_LIMIT = 3_000

/**
 * The `config` hook. OpenCode may hold on to parts of the object for its next instance,
 * so nothing inside of it is changed in place.
 * @param {import('./helper.js').Helper} helper
 * @param {import('./types.js').OpenCodeConfig} config
 */
export async function configure(helper, config) {
  const known = await knownSoon(helper)
  const baseURL = known?.baseURL ?? PLACEHOLDER_BASE_URL
  const defaults = { npm: '@ai-sdk/openai-compatible', name: PROVIDER_NAME, options: { baseURL } }
  const provider = merge(defaults, config.provider?.[PROVIDER] ?? {})
  provider.options = { ...provider.options, fetch: createFetch(helper, baseURL) }
  config.provider = { ...config.provider, [PROVIDER]: provider }
  return known
}

/**
 * The configuration if the helper names it in time.
 * @param {import('./helper.js').Helper} helper
 */
async function knownSoon(helper) {
  try {
    return await helper.configuration({ signal: AbortSignal.timeout(CONFIG_LIMIT) })
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
    if (value === undefined) continue
    merged[key] = isPlain(value) && isPlain(merged[key]) ? merge(merged[key], value) : value
  }
  return merged
}

/** @param {unknown} value */
function isPlain(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
