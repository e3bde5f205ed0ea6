// The way to the endpoint. OpenCode's fetch goes by the environment: HTTPS_PROXY and NO_PROXY,
// NODE_EXTRA_CA_CERTS and SSL_CERT_FILE. Added here are ca_file, and words for what goes wrong;
// taken away is NODE_TLS_REJECT_UNAUTHORIZED, by which anybody could have the token.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Problem } from './problem.js'

/** @typedef {(target: string | Request, init: RequestInit) => Promise<Response>} Send */

/**
 * What can be known of an endpoint before there is a request, which would wait for it.
 * @typedef {{
 *   origin: string,
 *   prefix: string,
 *   guarded?: (send: Send, target: string | Request, init: RequestInit) => Promise<Response>,
 * }} Endpoint
 */

/** @type {WeakMap<import('./types.js').HelperConfig, Endpoint>} */
const endpoints = new WeakMap()

/**
 * The endpoint of a configuration. Where something has to be seen to before a request is
 * sent, it is sent by `guarded`.
 * @param {import('./types.js').HelperConfig} config
 * @returns {Endpoint}
 */
export function endpointOf(config) {
  let endpoint = endpoints.get(config)
  if (!endpoint) {
    const url = new URL(config.baseURL)
    endpoint = { origin: url.origin, prefix: `${bare(config.baseURL)}/`, guarded: guarded(url, config) }
    endpoints.set(config, endpoint)
  }
  return endpoint
}

/**
 * The URL without slashes at its end.
 * @param {string} url
 */
export function bare(url) {
  return url.replace(/\/+$/, '')
}

/**
 * @param {URL} url
 * @param {import('./types.js').HelperConfig} config
 * @returns {Endpoint['guarded']}
 */
function guarded(url, config) {
  if (url.protocol === 'http:') return proxied(url) ? () => Promise.reject(inTheClear(url)) : undefined
  const ca = config.caFile
  const unchecked = process.env.NODE_TLS_REJECT_UNAUTHORIZED
  // Node has no way around it for a single request.
  if (unchecked === '0' && !process.versions.bun) return () => Promise.reject(uncheckedBy(url))
  if (!ca && !unchecked) return undefined
  return async (send, target, init) => {
    const tls = { rejectUnauthorized: true, ...(ca && { ca: await companyCA(ca, config.caSum) }) }
    return send(target, /** @type {any} */ ({ ...init, tls }))
  }
}

/** @param {import('./types.js').HelperConfig} config */
export function refusedByProxy({ baseURL }) {
  return new Problem(
    'network',
    `The proxy on the way to ${new URL(baseURL).host} wants a user name and password, or does not accept those that it was given.`,
    'Put them into HTTPS_PROXY, as http://user:password@host:port, with special characters percent-encoded.',
  )
}

/**
 * Whether Bun would ask a proxy for a URL on this machine: unlike other programs, it
 * makes no exception for loopback.
 * @param {URL} url
 */
function proxied({ hostname, host }) {
  const { http_proxy, HTTP_PROXY, no_proxy, NO_PROXY } = process.env
  if (!process.versions.bun || !(http_proxy || HTTP_PROXY)) return false
  const direct = (no_proxy || NO_PROXY || '').split(',').map((entry) => entry.trim().toLowerCase())
  return !['*', hostname, host].some((entry) => direct.includes(entry))
}

/** @param {URL} url */
function inTheClear({ hostname }) {
  return new Problem(
    'config',
    `HTTP_PROXY is set, and OpenCode would send the token for ${hostname}, which is this machine, through the proxy in the clear.`,
    `Add ${hostname} to NO_PROXY.`,
  )
}

/** @param {URL} url */
function uncheckedBy({ host }) {
  return new Problem(
    'config',
    `NODE_TLS_REJECT_UNAUTHORIZED is set, so that anybody could pass for ${host} and get the token.`,
    "Unset it where OpenCode is started; a company's CA is named in NODE_EXTRA_CA_CERTS.",
  )
}

/**
 * @param {string} path
 * @param {string} [sum]
 */
async function companyCA(path, sum) {
  const content = await readFile(path).catch(() => {
    throw brokenCA(path, 'cannot be read')
  })
  if (sum && createHash('sha256').update(content).digest('hex') !== sum) {
    throw new Problem(
      'untrusted',
      `ca_file names ${path}, which is not what was confirmed.`,
      'If you know why it is another one, run /connect and confirm it.',
    )
  }
  const text = content.toString()
  // Bun takes the failure of a text without one for a refused connection.
  if (!text.includes('-----BEGIN CERTIFICATE-----')) throw brokenCA(path, 'holds no certificate in PEM form')
  return text
}

/**
 * @param {string} path
 * @param {string} what
 */
function brokenCA(path, what) {
  return new Problem('config', `ca_file names ${path}, which ${what}.`, "Name a file with the company's CA in PEM form.")
}

/**
 * The error of a fetch, in words where they help; what may pass stays as it is, and
 * OpenCode tries again.
 * @param {any} error
 * @param {import('./types.js').HelperConfig} config
 */
export function explained(error, config) {
  const url = new URL(config.baseURL)
  const code = String(error?.cause?.code ?? error?.code ?? '')
  if (code === 'UnsupportedProxyProtocol') {
    return new Problem('config', 'OpenCode cannot use the proxy that HTTPS_PROXY names.', `It must be an HTTP proxy; if ${url.hostname} is reached directly, add it to NO_PROXY.`)
  }
  if (!/CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code)) return error
  if (code.includes('ALTNAME') && url.hostname.startsWith('[')) {
    return new Problem('tls', `OpenCode does not accept the certificate of an IPv6 address, ${url.host}.`, `Write a host name in llm_base_url in ${config.path}.`)
  }
  return new Problem(
    'tls',
    `The certificate of ${url.host} was not accepted (${code}).`,
    `If your company inspects connections, name the file of its CA (PEM) as ca_file in ${config.path}, or in NODE_EXTRA_CA_CERTS. "oci-oidc-helper doctor" shows the certificate.`,
  )
}
