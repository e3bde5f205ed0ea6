// Removes the secrets that the helper knows from the result of a tool call, before the model
// gets it. The helper searches the texts (redact in rpc/guard.go), so the shim need not know
// any secret. The hooks that call this are in hosts/v1/plugin.js and hosts/v2/tools.js.

// Secrets are never shorter.
const SHORTEST = 6

/**
 * The value without secrets, at any depth and also in its keys. If it has secrets, the result
 * is a copy, because parts of the value may be frozen. Rejects if the helper cannot search it.
 * @template T
 * @param {import('./helper.js').Helper} helper
 * @param {{ tool: string, directory: string }} call
 * @param {T} value
 * @returns {Promise<T>}
 */
export async function redacted(helper, call, value) {
  /** @type {Set<string>} */
  const texts = new Set()
  collect(value, texts, new Set())
  if (texts.size === 0) return value
  const all = [...texts]
  const { texts: clean } = await helper.call('redact', { ...call, texts: all })
  if (!clean) return value
  if (clean.length !== all.length) throw new Error('the helper answered something else')
  const found = all.flatMap((text, i) => (typeof clean[i] === 'string' ? [[text, clean[i]]] : []))
  return copied(value, new Map(/** @type {[string, string][]} */ (found)), new Map())
}

/**
 * The members of an object or array. Binary data has none, since searching it would take seconds.
 * @param {any} value
 */
function members(value) {
  return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) ? Object.entries(value) : []
}

/**
 * @param {unknown} value
 * @param {Set<string>} texts
 * @param {Set<unknown>} seen
 */
function collect(value, texts, seen) {
  if (typeof value === 'string' && value.length >= SHORTEST) texts.add(value)
  if (seen.has(value)) return
  for (const [key, inside] of members(value)) {
    seen.add(value)
    collect(key, texts, seen)
    collect(inside, texts, seen)
  }
}

/**
 * @param {any} value
 * @param {Map<string, string>} clean
 * @param {Map<unknown, any>} copies
 */
function copied(value, clean, copies) {
  if (typeof value === 'string') return clean.get(value) ?? value
  const all = members(value)
  if (all.length === 0) return value
  if (copies.has(value)) return copies.get(value)
  /** @type {any} */
  const copy = Array.isArray(value) ? [] : Object.create(Object.getPrototypeOf(value))
  copies.set(value, copy)
  for (const [key, inside] of all) {
    const member = { value: copied(inside, clean, copies), enumerable: true, writable: true, configurable: true }
    Object.defineProperty(copy, clean.get(key) ?? key, member)
  }
  return copy
}
