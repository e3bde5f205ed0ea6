// The shapes of the two conversations: with OpenCode, as far as it is used here,
// and with the helper (JSON-RPC; times are RFC 3339 in UTC).

// OpenCode

export interface PluginInput {
  directory: string
  client?: OpenCodeClient
}

export interface OpenCodeClient {
  tui: { showToast(options: { body: Toast }): Promise<unknown> }
}

export interface Toast {
  title?: string
  message: string
  variant: 'info' | 'success' | 'warning' | 'error'
  duration?: number
}

export interface Hooks {
  auth: { provider: string; methods: AuthMethod[] }
  config(config: OpenCodeConfig): Promise<void>
  tool: Record<string, Tool>
  'tool.execute.before'(input: { tool: string }, output: { args: unknown }): Promise<void>
  dispose(): Promise<void>
}

export interface OpenCodeConfig {
  provider?: Record<string, ProviderConfig>
}

export interface ProviderConfig {
  npm?: string
  name?: string
  options?: { baseURL?: string; fetch?: Fetch; [key: string]: unknown }
  [key: string]: unknown
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export interface AuthMethod {
  type: 'oauth'
  label: string
  authorize(): Promise<Authorization>
}

export interface Authorization {
  url: string
  instructions: string
  method: 'auto'
  callback(): Promise<AuthResult>
}

export type AuthResult = { type: 'success'; provider: string; key: string } | { type: 'failed' }

export interface Tool {
  description: string
  args: Record<string, never>
  execute(args: unknown, context?: { abort?: AbortSignal }): Promise<string>
}

// The helper

export type Flow = 'browser' | 'device'

export interface ProblemData {
  kind: string
  message: string
  hint?: string
  retryable?: boolean
}

export interface Initialized {
  protocol: number
  helper: { version: string; platform: string }
  config?: HelperConfig
  problem?: ProblemData
}

export interface HelperConfig {
  path: string
  baseURL: string
  authMethod: 'confidential_app' | 'mobile_app'
}

export interface Token {
  accessToken: string
  tokenType: string
  expiresAt: string
}

export interface Prompt {
  flow: string
  url: string
  userCode?: string
  expiresAt: string
  browserOpened: boolean
}

export interface SignedIn {
  subject: string
  expiresAt: string
}

export interface Status {
  signedIn: boolean
  subject?: string
  expiresAt?: string
  refreshable: boolean
  domain: string
  endpoint: string
  authMethod: string
  configPath: string
  logPath: string
  problem?: ProblemData
  version: string
}

export interface Guarded {
  deny?: string
}

export interface CallOptions {
  signal?: AbortSignal
  /** Milliseconds to wait for the answer; without it the helper's own limits decide. */
  timeout?: number
  /** Has the configuration read again first: for the calls where the helper does so too. */
  anew?: boolean
  onNotification?: (method: string, params: unknown) => void
}
