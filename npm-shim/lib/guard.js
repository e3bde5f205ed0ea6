// Keeps the model from opening the secrets by mistake. It is no barrier to intent: a
// shell command can always reach what its user can read.

// Every tool call waits for the answer, which takes a millisecond. On a machine that is
// too busy for that, a call waits rather than going on unjudged.
const LIMIT = 30_000
const PROTECTED = /\.secrets|opencode-oci-oidc|oci-auth\.config\.jsonc/i
// What is being written is not what is being opened, and may be long.
const CONTENT = ['content', 'newString', 'oldString', 'edits', 'todos', 'prompt']

/**
 * Throws with the reason if the call is denied.
 * @param {import('./helper.js').Helper} helper
 * @param {{ tool: string, args: unknown, directory: string }} call
 */
export async function guard(helper, { tool, args, directory }) {
  const named = Object.fromEntries(Object.entries(args ?? {}).filter(([key]) => !CONTENT.includes(key)))
  const deny = await judged(helper, { tool, args: named, directory })
  if (deny) throw new Error(deny)
}

/**
 * @param {import('./helper.js').Helper} helper
 * @param {{ tool: string, args: object, directory: string }} call
 * @returns {Promise<string | undefined>}
 */
async function judged(helper, call) {
  try {
    /** @type {import('./types.js').Guarded} */
    const { deny } = await helper.call('guard', call, { signal: AbortSignal.timeout(LIMIT) })
    return deny
  } catch {
    // Without the helper work goes on, except where the name alone says enough.
    if (PROTECTED.test(JSON.stringify(call.args))) {
      return 'This names the secrets or the settings of opencode-oci-oidc, which are not for the model to open.'
    }
  }
}
