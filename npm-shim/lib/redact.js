// What a tool call brought goes to the model without the secrets that the helper knows.
// The helper looks, so that no secret has to be known here.

const LIMIT = 10_000
// Nothing shorter is a secret.
const SHORTEST = 6
// Of one question, in UTF-16 units: six bytes each at worst, and a line has a limit.
const MOST = 128 * 1024

/**
 * Replaces secrets in the texts of a tool's result, wherever in it they stand. Without
 * the helper the result stays as it is.
 * @param {import('./helper.js').Helper} helper
 * @param {{ tool: string, result: unknown, directory: string }} call
 */
export async function redact(helper, { tool, result, directory }) {
  /** @type {Set<string>} */
  const texts = new Set()
  each(result, (text) => void texts.add(text))
  try {
    const clean = await cleaned(helper, { tool, directory }, [...texts])
    if (clean.size > 0) each(result, (text) => clean.get(text))
  } catch {
    // A helper that cannot be asked has no session either.
  }
}

/**
 * The texts that have to be replaced, with what replaces them.
 * @param {import('./helper.js').Helper} helper
 * @param {{ tool: string, directory: string }} call
 * @param {string[]} texts
 */
async function cleaned(helper, call, texts) {
  /** @type {Map<string, string>} */
  const clean = new Map()
  for (const batch of batches(texts)) {
    /** @type {import('./types.js').Redacted} */
    const answer = await helper.call('redact', { ...call, texts: batch.map(({ part }) => part) }, { signal: AbortSignal.timeout(LIMIT) })
    for (const [i, { text, part, first }] of batch.entries()) {
      const replacement = answer.texts?.[i]
      const changed = typeof replacement === 'string'
      // The parts of a long text come one after the other.
      if (changed || clean.has(text)) clean.set(text, (clean.get(text) ?? text.slice(0, first)) + (changed ? replacement : part))
    }
  }
  return clean
}

/**
 * The texts in portions of MOST. A long text is cut; what is left of a secret on either
 * side is still found.
 * @param {string[]} texts
 */
function* batches(texts) {
  let size = 0
  /** @type {{ text: string, part: string, first: number }[]} */
  let batch = []
  for (const text of texts) {
    for (let first = 0; first < text.length; ) {
      let end = Math.min(text.length, first + MOST)
      // A pair of surrogates stays together.
      if (end < text.length && text.charCodeAt(end) >> 10 === 0x37) end--
      if (size + end - first > MOST) {
        yield batch
        batch = []
        size = 0
      }
      batch.push({ text, part: text.slice(first, end), first })
      size += end - first
      first = end
    }
  }
  if (batch.length > 0) yield batch
}

/**
 * Calls visit with every text inside of value; what it returns takes the text's place.
 * @param {any} value
 * @param {(text: string) => string | void} visit
 * @param {Set<object>} [seen]
 */
function each(value, visit, seen = new Set()) {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  for (const key of Object.keys(value)) {
    const inside = value[key]
    if (typeof inside !== 'string') each(inside, visit, seen)
    else if (inside.length >= SHORTEST) {
      const replacement = visit(inside)
      if (replacement !== undefined) value[key] = replacement
    }
  }
}
