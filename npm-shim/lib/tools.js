// What the model may do for a person who asks about the sign-in. No secrets here.
import { PROVIDER_NAME, validUntil } from './messages.js'
import { PACKAGE, VERSION } from './helper.js'
import { Problem } from './problem.js'

/** @typedef {import('./types.js').Status} Status */

const LIMIT = 120_000

/**
 * @param {import('./helper.js').Helper} helper
 * @returns {Record<string, import('./types.js').Tool>}
 */
export function tools(helper) {
  return {
    oci_oidc_status: {
      description: `Shows whether the person is signed in to "${PROVIDER_NAME}", until when, and what to do if not.`,
      args: {},
      execute: (_, context) => told(async () => statusText(await helper.call('status', {}, { signal: context?.abort, timeout: LIMIT, anew: true }))),
    },
    oci_oidc_refresh: {
      description: `Renews the access token for "${PROVIDER_NAME}" now. Use it only when asked to, or when requests are refused.`,
      args: {},
      execute: (_, context) =>
        told(async () => {
          const { expiresAt } = await helper.call('refresh', {}, { signal: context?.abort, timeout: LIMIT, anew: true })
          return `The token was renewed and is ${validUntil(expiresAt)} (local time).`
        }),
    },
  }
}

/**
 * A problem is an answer too.
 * @param {() => Promise<string>} ask
 */
async function told(ask) {
  try {
    return await ask()
  } catch (error) {
    return Problem.from(error).text
  }
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
    .map(([name, value]) => `${name.padEnd(width)}  ${value}`)
    .join('\n')
}
