// The interface between the rooms: what lib/ offers to hosts/v1 and hosts/v2, and what
// crosses the wire to the helper (JSON-RPC; times are RFC 3339 in UTC). lib/ knows no
// host: it finds and starts the program, keeps the lease, sends requests, and passes on
// what the helper says. Every text and every decision is the helper's.

// --- lib/helper.js ---

/**
 * The helper of a directory, counted: one process for all that acquire the same
 * directory. Never throws; trouble is told by the first call that needs the helper.
 */
export function acquire(directory: string, host: 'opencode-1' | 'opencode-2'): Helper

export interface Helper {
  /** When each provider's endpoint last answered with success, in milliseconds since 1970. */
  served: Record<string, number>
  /** The token that a provider may use now, without asking and without waiting. */
  lease(provider?: string): Lease | undefined
  /** Asks in the background for the provider's next lease; call it after each use. */
  used(provider?: string): void
  /** Asks for a lease and waits. */
  borrow(options?: { signal?: AbortSignal; provider?: string }): Promise<Lease>
  /** Takes over a token that came with another answer. */
  accept(token: Token, provider?: string): Lease
  /**
   * Calls a method. A helper that dies or falls silent is replaced and the call is
   * repeated once, unless `once` is set. Rejects with a Problem, or with signal's reason.
   */
  call(method: string, params?: object, options?: CallOptions): Promise<any>
  /** Calls listener with each notification until the returned function is called. */
  listen(listener: (method: string, params: any) => void): () => void
  /** Gives the helper back; later calls reject. The last one ends the process gently. */
  release(): Promise<void>
}

export interface CallOptions {
  signal?: AbortSignal
  /** Milliseconds until the helper counts as lost; 120,000 by default. */
  limit?: number
  /** Never repeat the call with another helper (connect). */
  once?: boolean
}

/** A token together with the endpoint that it is for: they come in one message. */
export interface Lease {
  /** Which of the host's providers it is for; each has an endpoint of its own. */
  provider: string
  token: string
  /** "Bearer …" */
  authorization: string
  /** The endpoint's origin: the token goes there and nowhere else. */
  origin: string
  /** The endpoint's base URL with one slash at its end. */
  prefix: string
  /** For Bun's fetch, as it is: the checked ca_file, and that certificates are verified. */
  tls?: { rejectUnauthorized: true; ca?: string }
}

// --- lib/problem.js ---

/** The only error that a person reads. `text` is message and hint. */
export interface Problem extends Error {
  kind: string
  hint: string
  retryable: boolean
  /** The kind's fixed sentence, free of names, paths and numbers. */
  brief: string
  text: string
}

// --- lib/fetch.js ---

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * A fetch that sends each request with a token, to the endpoint of the lease alone,
 * follows no redirect, and repeats a refused request once. `baseURL` is the one that the
 * host was told; the current one takes its place. Rejects with a Problem, or with the
 * network's own error if that may pass.
 */
export function createFetch(helper: Helper, baseURL: string, provider?: string): Fetch

/**
 * The end of a request: an answer that is no success is shown to the helper, which says
 * whether `again` is worth a try with another lease, or how the answer reads for people.
 * For hosts that send requests themselves.
 */
export function settled(
  helper: Helper,
  lease: Lease,
  response: Response,
  again: (lease: Lease) => Promise<Response>,
  /** request: the beginning of the request's body, which names the model. */
  options?: { signal?: AbortSignal; request?: string },
): Promise<Response>

// --- lib/redact.js ---

/**
 * The value without the secrets that the helper knows, in keys, too; a copy where
 * something changed, so that frozen parts do no harm. Rejects if that cannot be known:
 * the result must be withheld then.
 */
export function redacted<T>(helper: Helper, call: { tool: string; directory: string }, value: T): Promise<T>

// --- The wire: what the helper answers ---

/** initialize {protocol, client: {name, version, host, runtime}, directory} */
export interface Initialized {
  protocol: number
  helper: { version: string; platform: string }
}

/** getToken {provider, rejected?} */
export interface Token {
  accessToken: string
  tokenType: string
  expiresAt: string
  /** Until then it may be used without asking; without it the token is for one request. */
  useUntil?: string
  baseURL: string
  tls?: Lease['tls']
}

/**
 * explain {provider, fingerprint, status, headers, body, request, repeated, served}: an answer
 * that is no success, with the beginnings of its body and of the request's, and for how many
 * milliseconds no other was a success.
 * explain {provider, code}: a fetch that failed. explain {provider, address}: a request to
 * another origin.
 * An empty answer means that there is nothing to say: a fault passes as it is.
 */
export interface Explained {
  /** Send the request once more, with this one. */
  token?: Token
  /** Otherwise the answer as the host may have it. */
  status?: number
  headers?: Record<string, string>
  body?: string
  /** Or what the person must read instead. */
  problem?: { kind: string; message: string; hint?: string; retryable?: boolean; brief?: string }
}

/** connect {attempt, provider?, flow?, confirm?, view: {at, rows}}: ends when the person has signed in. */
export interface Prompt {
  /** The attempt's own number: a late prompt of an earlier one is not shown. */
  attempt: number
  url: string
  /** Ready-made lines for the dialog. */
  text: string
  userCode?: string
  /** The person pastes the address at which the browser ends: connect/answer {redirect}. */
  paste: boolean
  expiresAt: string
}

/** A way to sign in, as /connect lists it. `params` are connect's. */
export interface Method {
  label: string
  params: { flow?: string; provider?: string }
  /** What the person must confirm first, No first; the answer is connect's `confirm`. */
  question?: { message: string; options: { label: string; value: string; hint?: string }[] }
}

/** status {} */
export interface Status {
  signedIn: boolean
  expiresAt?: string
  title: string
  /** Which session somebody has to sign in for again, if any. */
  ended?: string
  /** A table for people. */
  text: string
  item?: Item
}

/** What stands beside the prompt. */
export interface Item {
  text: string
  level: 'good' | 'warning' | 'error'
  /** To be run when the item is shown: it brings what the person must be told once. */
  command?: string
}

/** tool {name}: never an error reply for what a person can do something about. */
export interface ToolResult {
  title: string
  output: string
}

/** command {name}: what the palette's command does, in the host's own terms. */
export interface CommandResult {
  alert?: { title: string; message: string }
  toast?: { variant: 'success' | 'warning' | 'error'; message: string; duration?: number }
  dispatch?: string
}

/** guard {tool, args, directory} */
export interface Guarded {
  /** The reason, or "" for a call that may go on. Anything else is no judgement: deny it. */
  deny: string
}

/** redact {tool, texts} */
export interface Redacted {
  /** Null for those that stay as they are. */
  texts?: (string | null)[]
}

// lacks {what}: something that the host does not have, for the log.

// Notifications: session/changed {}, after which the lease is void; status/changed {item};
// connect/methods {methods}, when they or what must be confirmed have changed; connect/prompt.
