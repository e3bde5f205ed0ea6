// Signs in with OpenCode's own dialogs and `opencode auth login`. OpenCode only stores a
// placeholder: the helper keeps and refreshes the tokens. The labels come from the helper
// (rpc/opencode/connect.go).
import { visible } from '../../lib/problem.js'

/** @typedef {import('./contract.d.ts').Authorization} Authorization */
/** @typedef {import('./contract.d.ts').Credential} Credential */
/** @typedef {import('../../lib/helper.js').Helper} Helper */
/** @typedef {import('../../lib/interface.d.ts').Prompt} Prompt */
/** @typedef {import('../../lib/interface.d.ts').Method} Method */

// The helper ends a sign-in when its time limit is over; this much later it is given up here, too.
const GRACE = 30_000
const FAR = Date.UTC(9999, 0)

/**
 * @param {import('./contract.d.ts').Context} ctx
 * @param {Helper} helper
 * @param {import('./contract.d.ts').Configuration} configuration
 * @param {AbortSignal} ended
 */
export async function signIn(ctx, helper, configuration, ended) {
  const { id, name } = configuration.now.providers[0].info
  const attempts = new Attempts(helper, configuration, ended)
  await ctx.integration.transform((editor) => {
    editor.update(id, (integration) => {
      integration.name = name
    })
    for (const method of configuration.now.methods) {
      const methodID = [method.params.flow ?? 'check', method.params.provider].filter(Boolean).join('-')
      editor.method.update({
        integrationID: id,
        method: {
          id: methodID,
          type: 'oauth',
          label: method.label,
          ...(method.question && { form: [question(method.question)] }),
        },
        authorize: (answer) => attempts.begin(method.params, methodID, answer),
        // No refresh: the host would ask for one at every restart. Who it is names the account.
        label: () => attempts.subject,
      })
    }
  })
  const marks = marker(ctx, helper, id)
  const unlisten = helper.listen((method) => method === 'session/changed' && marks())
  ended.addEventListener('abort', unlisten, { once: true })
  void signOuts(ctx, helper, id, ended)
}

/** At most one sign-in at a time: the host does not say when it has given one up. */
class Attempts {
  /** @type {string | undefined} who has signed in last */
  subject
  #helper
  #configuration
  #ended
  #number = 0
  #current = new AbortController()

  /** @param {Helper} helper @param {import('./contract.d.ts').Configuration} configuration @param {AbortSignal} ended */
  constructor(helper, configuration, ended) {
    this.#helper = helper
    this.#configuration = configuration
    this.#ended = ended
  }

  /**
   * Begins one. This never rejects, since the host would show no reason; the callback does.
   * @param {Method['params']} params
   * @param {string} methodID
   * @param {Record<string, unknown>} [answer]
   * @returns {Promise<Authorization>}
   */
  async begin(params, methodID, answer) {
    this.#current.abort()
    const current = new AbortController()
    this.#current = current
    const attempt = ++this.#number
    const signal = AbortSignal.any([current.signal, this.#ended])
    /** @type {(prompt?: Prompt) => void} */
    let shown = () => {}
    /** @type {Promise<Prompt | undefined>} */
    const prompted = new Promise((resolve) => {
      shown = resolve
    })
    const unlisten = this.#helper.listen((method, prompt) => {
      if (method === 'connect/prompt' && prompt.attempt === attempt) shown(prompt)
    })
    const done = this.#helper.call(
      'connect',
      { ...params, ...answer, attempt, openBrowser: false, view: { at: 'elsewhere', rows: 0 } },
      { signal, limit: Infinity, once: true },
    )
    const callback = done.then((result) => this.#credential(methodID, result), told).finally(unlisten)
    const over = () => shown() // and nothing is to be shown
    callback.then(over, over)
    const prompt = await prompted
    if (!prompt) return { url: '', instructions: '', mode: 'auto', callback }
    const { url, text, userCode, paste } = prompt
    const expiresAt = Date.parse(prompt.expiresAt)
    setTimeout(() => current.abort(), expiresAt + GRACE - Date.now()).unref()
    const view = { url, instructions: text, expiresAt, device: userCode !== undefined }
    if (!paste) return { ...view, mode: 'auto', callback }
    return {
      ...view,
      mode: 'code',
      callback: async (redirect) => {
        await this.#helper.call('connect/answer', { redirect }).catch(told)
        return callback
      },
    }
  }

  /** @param {string} methodID @param {{ subject?: string }} [result] @returns {Promise<Credential>} */
  async #credential(methodID, result) {
    this.subject = result?.subject
    await this.#configuration.update().catch(() => {}) // the models, which OpenCode offers next
    return { type: 'oauth', methodID, access: 'kept-by-opencode-oci-oidc', refresh: '', expires: FAR }
  }
}

/**
 * Throws an error whose message is the whole text, because the host shows only the message.
 * @param {any} error
 * @returns {never}
 */
function told(error) {
  throw new Error(visible(error.text ?? error.message))
}

/**
 * Returns a function that marks the host's connection if the session has ended, and removes the mark otherwise.
 * @param {import('./contract.d.ts').Context} ctx
 * @param {Helper} helper
 * @param {string} integrationID
 */
function marker(ctx, helper, integrationID) {
  return async () => {
    try {
      const connection = await ctx.integration.connection.active(integrationID)
      if (!connection) return
      /** @type {import('../../lib/interface.d.ts').Status} */
      const { signedIn, title } = await helper.call('status')
      const status = signedIn ? undefined : { status: /** @type {const} */ ('needs_auth'), message: title }
      await ctx.integration.connection.status?.({ integrationID, connection, status })
    } catch {
      // The mark is not needed: the next request reports the same problem.
    }
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
      if (type === 'credential.switched' && data.integrationID === id && data.credentialID === null)
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
function question({ message, options }) {
  return {
    key: 'confirm',
    type: 'string',
    title: message,
    options: options.map(({ value, label }) => ({ value, label })),
    required: true,
  }
}
