// What a tool call brought goes to the model without the secrets that the helper knows.
// The helper searches the texts (redact in rpc/guard.go), so that no secret has to be known
// here. The hooks that call this are in hosts/v1/plugin.js and hosts/v2/tools.js.

// Nothing shorter is a secret.
const SHORTEST = 6

/**
 * The value without secrets, wherever in it they stand, in its keys as well: a copy where
 * there are some, so that frozen parts do no harm. Rejects if that cannot be known.
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
 * The members of what is searched. Bytes are no text, and would take seconds.
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
