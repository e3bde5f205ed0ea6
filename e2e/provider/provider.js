// The OpenID-certified oidc-provider, set up as an OCI identity domain looks from
// outside: its paths, and its discovery document that hides the device flow.
//
// The first line of standard input is a JSON object {clients, user}: clients as
// oidc-provider registers them, user {name, password} as the one who may sign in.
// Prints {"url": …} when it listens, and ends at the end of standard input.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createInterface } from 'node:readline'
import Provider from 'oidc-provider'

const lines = createInterface({ input: process.stdin })
lines.on('close', () => process.exit())
const { clients, user } = JSON.parse((await once(lines, 'line'))[0])

const server = createServer()
await once(server.listen(0, '127.0.0.1'), 'listening')
const url = `http://127.0.0.1:${server.address().port}`

const provider = new Provider(url, {
  clients,
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // OCI takes offline_access as it comes; OpenID Connect wants prompt=consent beside it.
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  cookies: { keys: ['only for tests'] },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  features: {
    devInteractions: { enabled: false },
    revocation: { enabled: true },
    clientCredentials: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form) => page(ctx, 'Enter the code', `${form}<button id="next" form="op.deviceInputForm">Next</button>`),
      userCodeConfirmSource: (ctx, form, client, _, code) =>
        page(ctx, `Does your device show ${code}?`, `${form}<button id="confirm" form="op.deviceConfirmForm">Yes</button>`),
      successSource: (ctx) => page(ctx, 'Your device is signed in', ''),
    },
  },
  routes: {
    authorization: '/oauth2/v1/authorize',
    token: '/oauth2/v1/token',
    userinfo: '/oauth2/v1/userinfo',
    revocation: '/oauth2/v1/revoke',
    end_session: '/oauth2/v1/userlogout',
    device_authorization: '/oauth2/v1/device',
    code_verification: '/ui/v1/device',
    jwks: '/admin/v1/SigningCert/jwk',
  },
})

provider.use(async (ctx, next) => {
  const [, uid] = /^\/interaction\/([\w-]+)$/.exec(ctx.path) ?? []
  if (uid && ctx.method === 'GET') return signInPage(ctx)
  if (uid && ctx.method === 'POST') return signIn(ctx)
  await next()
  if (ctx.path === '/.well-known/openid-configuration') {
    delete ctx.body.device_authorization_endpoint
    delete ctx.body.code_challenge_methods_supported
  }
})

function signInPage(ctx, problem = '') {
  page(ctx, 'Sign in', `<p>${problem}</p>
    <form method="post">
      <input id="username" name="username" autofocus>
      <input id="password" name="password" type="password">
      <button id="allow">Sign in</button>
    </form>`)
}

/** Signs the person in and takes that as the consent to all that is asked for. */
async function signIn(ctx) {
  const chunks = []
  for await (const chunk of ctx.req) chunks.push(chunk)
  const form = new URLSearchParams(Buffer.concat(chunks).toString())
  if (form.get('username') !== user.name || form.get('password') !== user.password) {
    return signInPage(ctx, 'That is not right.')
  }
  const { params } = await provider.interactionDetails(ctx.req, ctx.res)
  const grant = new provider.Grant({ accountId: user.name, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  const result = { login: { accountId: user.name }, consent: { grantId: await grant.save() } }
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, result)
}

function page(ctx, title, body) {
  ctx.type = 'html'
  ctx.body = `<!DOCTYPE html><html lang="en"><title>${title}</title><link rel="icon" href="data:,"><h1>${title}</h1>${body}</html>`
}

server.on('request', provider.callback())
console.log(JSON.stringify({ url }))
