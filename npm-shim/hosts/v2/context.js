// The host's context as this plugin uses it. A host of another version may lack a part of it:
// that is written to the helper's log once, and all the rest works.
import { visible } from '../../lib/problem.js'

/** @typedef {import('./contract.d.ts').Context} Context */

const PARTS = ['integration', 'permission', 'provider', 'rpc', 'shell', 'tool']
const METHODS = ['hook', 'register', 'reload', 'transform']

/**
 * The context, in which no registration fails. No transform throws either, since one that does
 * blocks all that the host lists of its kind, also for others. Without the hooks of `session`
 * no request has a token, so they may fail.
 * @param {Context} ctx
 * @param {(what: string) => void} report is called once for each thing that is lacking
 * @returns {Context}
 */
export function tolerant(ctx, report) {
  const reported = new Set()
  /** @param {string} part @param {string} name @param {any[]} args */
  const call = async (part, name, args) => {
    const what = ['ctx', part, name, ...args.filter((arg) => typeof arg === 'string')].join('.')
    const failed = (/** @type {any} */ error) => {
      if (!reported.has(what)) report(`${what}: ${error?.message ?? error}`)
      reported.add(what)
    }
    try {
      const given = name === 'transform' ? [quiet(args[0], failed)] : args
      return await /** @type {any} */ (ctx)[part][name](...given)
    } catch (error) {
      failed(error)
    }
  }
  const parts = PARTS.map((part) => {
    const methods = METHODS.map((name) => [name, (/** @type {any[]} */ ...args) => call(part, name, args)])
    return [part, { connection: ctx.integration?.connection, ...Object.fromEntries(methods) }]
  })
  if (!ctx.event?.subscribe) report('ctx.event.subscribe')
  const { event, location, session } = ctx
  return { event, location, session, ...Object.fromEntries(parts) }
}

/** @param {(editor: any) => void} transform @param {(error: unknown) => void} failed */
function quiet(transform, failed) {
  return (/** @type {any} */ editor) => {
    try {
      transform(editor)
    } catch (error) {
      failed(error)
    }
  }
}

/**
 * Throws an error whose message is the whole text, because the host shows only the message.
 * @param {any} error
 * @returns {never}
 */
export function told(error) {
  throw new Error(visible(error.text ?? error.message))
}
