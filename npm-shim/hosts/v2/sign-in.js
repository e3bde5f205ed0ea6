// Signs in with OpenCode's own dialogs and `opencode auth login`. OpenCode only stores a
// placeholder: the helper keeps and refreshes the tokens. The labels come from the helper
// (rpc/opencode/connect.go).
import { told } from './context.js'

/** @typedef {import('./contract.d.ts').Authorization} Authorization */
/** @typedef {import('./contract.d.ts').Credential} Credential */
/** @typedef {import('../../lib/helper.js').Helper} Helper */
/** @typedef {import('../../lib/interface.d.ts').Prompt} Prompt */
/** @typedef {import('../../lib/interface.d.ts').Method} Method */

const FAR = Date.UTC(9999, 0)

let attempts = 0

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {Helper} helper
 * @param {import('./contract.d.ts').Configuration} configuration
 * @param {AbortSignal} ended
 */
export async function signIn(ctx, helper, configuration, ended) {
  const { id, name } = configuration.now.providers[0].info
  /** @type {string | undefined} who has signed in last */
  let subject
  /** @param {string} methodID @param {Promise<{ subject?: string }>} done @returns {Promise<Credential>} */
  const credential = async (methodID, done) => {
    subject = (await done.catch(told))?.subject
    await configuration.update().catch(() => {}) // the models, which OpenCode offers next
    return { type: 'oauth', methodID, access: 'kept-by-opencode-oci-oidc', refresh: '', expires: FAR }
  }
  await ctx.integration.transform((editor) => {
    editor.update(id, (integration) => {
      integration.name = name
    })
    for (const { label, params, question } of configuration.now.methods) {
      const methodID = [params.flow ?? 'check', params.provider].filter(Boolean).join('-')
      editor.method.update({
        integrationID: id,
        method: { id: methodID, type: 'oauth', label, ...(question && { form: [field(question)] }) },
        authorize: (answer) =>
          begin(helper, { ...params, confirm: answer?.confirm }, (done) => credential(methodID, done)),
        // No refresh: the host would ask for one at every restart. Who it is names the account.
        label: () => subject,
      })
    }
  })
  const unlisten = helper.listen((method, { item }) => {
    // The status beside the prompt also changes when a token expires that nothing can renew.
    if (method === 'session/changed' || item?.level === 'warning') void mark(ctx, helper, id)
  })
  ended.addEventListener('abort', unlisten, { once: true })
  void mark(ctx, helper, id) // the session may have ended while OpenCode was not running
  void signOuts(ctx, helper, id, ended)
}

/**
 * Begins a sign-in. This never rejects, since the host would show no reason; the callback does.
 * The host does not say when it gives a sign-in up: the helper ends it when the next one begins,
 * or when its time limit is over.
 * @param {Helper} helper
 * @param {object} params
 * @param {(done: Promise<any>) => Promise<Credential>} finish
 * @returns {Promise<Authorization>}
 */
async function begin(helper, params, finish) {
  const attempt = ++attempts
  const asked = { ...params, attempt, openBrowser: false, view: { at: 'elsewhere', rows: 0 } }
  const callback = finish(helper.call('connect', asked, { limit: Infinity, once: true }))
  /** @type {Prompt | undefined} none if the sign-in has ended first */
  const prompt = await new Promise((resolve) => {
    const unlisten = helper.listen((method, shown) => {
      if (method === 'connect/prompt' && shown.attempt === attempt) resolve(shown)
    })
    const over = () => resolve(unlisten())
    callback.then(over, over)
  })
  if (!prompt) return { url: '', instructions: '', mode: 'auto', callback }
  const { url, text, userCode, paste } = prompt
  const view = { url, instructions: text, expiresAt: Date.parse(prompt.expiresAt), device: userCode !== undefined }
  if (!paste) return { ...view, mode: 'auto', callback }
  const answer = (/** @type {string} */ redirect) => helper.call('connect/answer', { redirect }).catch(told)
  return { ...view, mode: 'code', callback: (redirect) => answer(redirect).then(() => callback) }
}

/**
 * Marks the host's connection if a session has ended, and removes the mark otherwise.
 * @param {import('./contract.d.ts').Context} ctx
 * @param {Helper} helper
 * @param {string} integrationID
 */
async function mark(ctx, helper, integrationID) {
  try {
    const connection = await ctx.integration.connection.active(integrationID)
    if (!connection) return
    /** @type {import('../../lib/interface.d.ts').Status} */
    const { ended } = await helper.call('status')
    const status = ended ? { status: /** @type {const} */ ('needs_auth'), message: ended } : undefined
    await ctx.integration.connection.status?.({ integrationID, connection, status })
  } catch {
    // The mark is not needed: the next request reports the same problem.
  }
}

/**
 * Signs out when the last account is removed, which the person has confirmed by then. A sign-out
 * that fails is in the helper's log and status; the host has no place for it.
 * @param {import('./contract.d.ts').Context} ctx
 * @param {Helper} helper
 * @param {string} id
 * @param {AbortSignal} signal
 */
async function signOuts(ctx, helper, id, signal) {
  try {
    for await (const { type, data } of ctx.event.subscribe({ signal })) {
      if (type === 'credential.switched' && data?.integrationID === id && data.credentialID === null)
        await helper.call('disconnect').catch(() => {})
    }
  } catch {
    // The stream ends with the plugin.
  }
}

/**
 * @param {NonNullable<Method['question']>} question
 * @returns {import('./contract.d.ts').FormField}
 */
function field({ message, options }) {
  return {
    key: 'confirm',
    type: 'string',
    title: message,
    options: options.map(({ value, label }) => ({ value, label })),
    required: true,
  }
}
