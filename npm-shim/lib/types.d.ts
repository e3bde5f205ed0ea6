// The shapes of the two conversations: with OpenCode, as far as it is used here,
// and with the helper (JSON-RPC; times are RFC 3339 in UTC).

// OpenCode

export interface PluginInput {
  directory: string
  worktree?: string
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
  'tool.execute.after'(input: { tool: string }, output: unknown): Promise<void>
  dispose(): Promise<void>
}

export interface OpenCodeConfig {
  model?: string
  small_model?: string
  provider?: Record<string, ProviderConfig>
  permission?: Permission
  agent?: Record<string, Agent | undefined>
  mode?: Record<string, Agent | undefined>
}

export interface Agent {
  permission?: Permission
  [key: string]: unknown
}

/** What a tool may do, for all tools or by tool, and there by pattern: "allow", "ask" or "deny". */
export type Permission = string | Record<string, string | Record<string, string>>

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
  prompts?: SelectPrompt[]
  authorize(answers?: Record<string, string>): Promise<Authorization>
}

export interface SelectPrompt {
  type: 'select'
  key: string
  message: string
  options: { label: string; value: string; hint?: string }[]
}

export interface Authorization {
  url: string
  instructions: string
  method: 'auto' | 'code'
  callback(code?: string): Promise<AuthResult>
}

export type AuthResult = { type: 'success'; provider: string; key: string } | { type: 'failed' }

export interface Tool {
  description: string
  args: Record<string, never>
  execute(args: unknown, context?: { abort?: AbortSignal }): Promise<string | { title: string; output: string; metadata: object }>
}

// OpenCode's TUI. Its keymap is there from 1.18 on, the older command up to then.

export interface TuiApi {
  state: { path: { directory: string } }
  theme: { current: Record<'textMuted' | 'warning' | 'error', unknown> }
  slots: { register(plugin: { slots: Record<string, () => unknown> }): string }
  event: { on(type: string, handler: () => void): () => void }
  ui: {
    toast(toast: Toast): void
    dialog: { replace(render: () => unknown): void; readonly open: boolean }
    DialogAlert(props: { title: string; message: string }): unknown
  }
  keymap?: {
    registerLayer(layer: { commands: object[]; bindings: object[] }): () => void
    dispatchCommand(name: string): void
  }
  command?: { register(list: () => object[]): () => void; trigger(value: string): void }
  lifecycle: { onDispose(dispose: () => Promise<void>): void }
}

// The helper

export type Flow = 'browser' | 'device' | 'paste'

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
  protected?: string[]
  readOnly?: string[]
  confirm?: ToConfirm
}

export interface ToConfirm {
  digest: string
  path: string
  domain: string
  endpoint: string
}

export interface HelperConfig {
  path: string
  baseURL: string
  authMethod: 'confidential_app' | 'mobile_app'
  caFile?: string
  /** The SHA-256 that it must have, in hexadecimal, where it is not the person's own. */
  caSum?: string
  /** What the endpoint has told, in the shape of provider.*.models. */
  models?: Record<string, object>
  /** The ways to sign in that the application can do, the best one first. */
  flows?: Flow[]
}

/** A token with the configuration whose endpoint it is for. */
export interface Pass {
  config: HelperConfig
  token: string
}

export interface Token {
  accessToken: string
  tokenType: string
  expiresAt: string
  /** Until then it may be used without asking. */
  useUntil?: string
}

export interface Prompt {
  flow: Flow
  url: string
  userCode?: string
  /** The address for a camera, to be shown bright on dark. */
  qr?: string[]
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

export interface Redacted {
  /** Null for those that stay as they are. */
  texts?: (string | null)[]
}

export interface Kept {
  protected: string[]
  readOnly: string[]
}

export interface CallOptions {
  signal?: AbortSignal
  /** Milliseconds to wait for the answer; without it the helper's own limits decide. */
  timeout?: number
  /** Has the configuration read again first: for the calls where the helper does so too. */
  anew?: boolean
  onNotification?: (method: string, params: unknown) => void
}
