// What the model may do for a person who asks about the sign-in. No secrets here.
import { PROVIDER_NAME, validUntil } from './messages.js'
import { PACKAGE, VERSION } from './helper.js'
import { Problem } from './problem.js'

/** @typedef {import('./types.js').Status} Status */

const LIMIT = 120_000

/**
 * @param {import('./helper.js').Helper} helper
 * @param {{ plain?: boolean }} [options] plain: OpenCode up to 1.3 wants the text alone
 * @returns {Record<string, import('./types.js').Tool>}
 */
export function tools(helper, { plain = false } = {}) {
  const ask = (/** @type {string} */ method, /** @type {{ abort?: AbortSignal } | undefined} */ context) =>
    helper.call(method, {}, { signal: context?.abort, timeout: LIMIT, anew: true })
  /**
   * A problem is an answer too.
   * @param {() => Promise<{ title: string, output: string }>} tell
   */
  const answer = async (tell) => {
    const told = await tell().catch((error) => ({ title: 'A problem with the sign-in', output: Problem.from(error).text }))
    return plain ? told.output : { ...told, metadata: {} }
  }
  return {
    oci_oidc_status: {
      description: `Shows whether the person is signed in to "${PROVIDER_NAME}", until when, and what to do if not.`,
      args: {},
      execute: (_, context) =>
        answer(async () => {
          const status = await ask('status', context)
          return { title: titleOf(status), output: statusText(status) }
        }),
    },
    oci_oidc_refresh: {
      description: `Renews the access token for "${PROVIDER_NAME}" now. Use it only when asked to, or when requests are refused.`,
      args: {},
      execute: (_, context) =>
        answer(async () => {
          const { expiresAt } = await ask('refresh', context)
          const output = `The token was renewed and is ${validUntil(expiresAt)} (local time).\nNothing more to do: requests use it from now on.`
          return { title: `Token renewed, ${validUntil(expiresAt)}`, output }
        }),
    },
  }
}

/** @param {Status} status */
function titleOf({ signedIn, subject, expiresAt }) {
  if (!signedIn) return 'Not signed in'
  return `Signed in${subject ? ` as ${subject}` : ''}${expiresAt ? `, token ${validUntil(expiresAt)}` : ''}`
}

/** @param {Status} status */
export function statusText(status) {
  const { problem } = status
  return table([
    ['Signed in', status.signedIn ? `yes${status.subject ? `, as ${status.subject}` : ''}` : 'no'],
    ['Token', status.expiresAt && `${validUntil(status.expiresAt)} (local time)`],
    ['Refresh', status.signedIn && (status.refreshable ? 'by itself' : 'not possible: there is no refresh token')],
    ['Domain', status.domain],
    ['Endpoint', status.endpoint],
    ['Method', status.authMethod],
    ['Configuration', status.configPath],
    ['Log', status.logPath],
    ['Versions', `${PACKAGE} ${VERSION}, helper ${status.version}`],
    ['Problem', problem?.message],
    ['Next step', nextStep(status)],
  ])
}

/** @param {Status} status */
function nextStep({ signedIn, refreshable, expiresAt, problem }) {
  if (problem) return problem.hint
  if (!signedIn) return `run /connect and choose "${PROVIDER_NAME}"`
  if (!refreshable) return `sign in again with /connect when the token has ended${expiresAt ? '' : ' soon'}`
  return 'nothing to do'
}

/** @param {[string, string | false | undefined][]} rows */
function table(rows) {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows
    .filter(([, value]) => value)
    .map(([name, value]) => `${name.padEnd(width)}  ${String(value).replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`)
    .join('\n')
}
