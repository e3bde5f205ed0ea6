import type { Method } from '../../lib/interface.d.ts'

// What OpenCode 2 (2.0.4 and later) gives a plugin and expects of it, as far as it is
// used here. Its own types cannot be had, so these are ours, and both sides are checked
// against them: the plugin, and the stand-in host in e2e/host2.

export interface Plugin {
  id: string
  setup(context: Context): Promise<Cleanup | void> | Cleanup | void
}

export type Cleanup = () => Promise<void> | void

/** Calls back synchronously at every rebuild, each time with an editor of fresh values. */
export interface Transformable<Editor> {
  transform(callback: (editor: Editor) => void): Promise<unknown>
  reload(): Promise<void>
}

export interface Hookable<Events, Options = never> {
  hook<Name extends keyof Events>(
    name: Name,
    callback: (event: Events[Name]) => Promise<void> | void,
    options?: Options,
  ): Promise<unknown>
}

export interface Context {
  options: Readonly<Record<string, unknown>>
  location: { directory: string; project: { canonical: string } }
  event: { subscribe(options?: { signal?: AbortSignal }): AsyncIterable<HostEvent> }
  integration: Integrations
  permission: Hookable<{ evaluate: Evaluation }>
  provider: Transformable<ProviderEditor>
  rpc: {
    register(
      definition: RpcDefinition,
      handlers: Record<string, (input: unknown) => Promise<unknown>>,
    ): Promise<RpcRegistration>
  }
  session: Hookable<SessionEvents, { providerID: string }>
  shell: Hookable<{ 'create.before': ShellCreation }>
  tool: Transformable<ToolEditor> & Hookable<ToolEvents>
}

export interface HostEvent {
  type: string
  data: Record<string, unknown>
  location?: { directory: string }
}

// Providers and models

export interface ProviderEditor {
  add(definition: Offered): void
  get(id: string): { provider: ProviderInfo } | undefined
}

export interface ProviderInfo {
  id: string
  name: string
  integrationID?: string
  /** `auto` lists it only with a connection, `enabled` always. */
  activation: 'auto' | 'enabled' | 'disabled'
  package: string
  settings: Record<string, unknown>
  headers?: Record<string, string>
  body?: Record<string, unknown>
}

/** Complete: the host has no defaults for it. Costs are in USD a million tokens. */
export interface ModelInfo {
  id: string
  modelID: string
  providerID: string
  name: string
  capabilities: { tools: boolean; input: string[]; output: string[] }
  variants: unknown[]
  time: { released: number }
  cost: { input: number; output: number; cache: { read: number; write: number } }[]
  status: string
  enabled: boolean
  limit: { context: number; output: number; input?: number }
  compatibility?: { maxTokensField?: 'max_tokens' }
}

// Requests

export type RequestKind = 'primary' | 'compaction' | 'title' | 'generate'

export interface SessionScope {
  sessionID: string
  agent: string
  model: { providerID: string; id: string }
  kind: RequestKind
}

export interface SessionEvents {
  'http.request': SessionScope & { request: Request }
  'http.response': SessionScope & { readonly request: Request; response: Response }
}

// Signing in

export interface Integrations extends Transformable<IntegrationEditor> {
  connection: {
    active(integrationID: string): Promise<Connection | undefined>
    /** Absent before some 2.0 version. */
    status?(input: {
      integrationID: string
      connection: Connection
      status: ConnectionStatus | undefined
    }): Promise<void>
  }
}

export interface Connection {
  type: 'credential' | 'env'
  id?: string
  label?: string
  status?: ConnectionStatus
}

export interface ConnectionStatus {
  status: 'needs_auth'
  message?: string
  url?: string
}

export interface IntegrationEditor {
  update(id: string, update: (integration: { id: string; name: string }) => void): void
  method: { update(registration: SignInMethod): void }
}

export interface SignInMethod {
  integrationID: string
  method: { id: string; type: 'oauth'; label: string; form?: FormField[] }
  authorize(answer: Record<string, unknown>): Promise<Authorization>
  refresh?(credential: Credential): Promise<Credential>
  label?(credential: Credential): string | undefined
}

export interface FormField {
  key: string
  type: 'string'
  title: string
  description?: string
  options: { value: string; label: string }[]
  required: true
}

export type Authorization = {
  url: string
  instructions: string
  /** Milliseconds since 1970; ten minutes from now if it is missing. */
  expiresAt?: number
  /** Shown with a QR code of the address. */
  device?: boolean
} & ({ mode: 'auto'; callback: Promise<Credential> } | { mode: 'code'; callback(code: string): Promise<Credential> })

export interface Credential {
  type: 'oauth'
  methodID: string
  access: string
  refresh: string
  /** Milliseconds since 1970. */
  expires: number
  metadata?: Record<string, unknown>
}

// Tools

export interface ToolEditor {
  add(tool: Tool): void
}

export interface Tool {
  name: string
  description: string
  input: object
  /** Without `codemode: false` the model can call it inside of `execute` alone. */
  options?: { codemode?: boolean }
  execute(input: unknown, context: { signal: AbortSignal }): Promise<ToolResult>
}

export interface ToolResult {
  content: string | { type: string; text?: string }[]
  output?: unknown
  metadata?: Record<string, unknown>
}

export interface ToolCall {
  tool: string
  sessionID: string
  agent: string
  input: unknown
}

export interface ToolEvents {
  /** What this throws denies the call, and its text goes to the model. */
  'execute.before': ToolCall
  'execute.after': ToolCall &
    ({ status: 'completed'; result: ToolResult } | { status: 'error'; error: { message: string } })
}

export interface ShellCreation {
  command: string
  cwd: string
  /** The whole environment of the command. */
  env: Record<string, string | undefined>
}

export type PermissionEffect = 'allow' | 'ask' | 'deny'

/** Asked for what the rules allow or ask; what they deny stays denied. */
export interface Evaluation {
  sessionID: string
  agent?: string
  action: string
  resources: string[]
  effect: PermissionEffect
  message?: string
}

// Between the server's part and the command line's

export interface RpcDefinition {
  id: string
  methods: Record<string, { input?: object; output: object }>
  events: Record<string, { schema: object }>
}

export interface RpcRegistration {
  events: { emit(name: string, data: object): Promise<void> }
}

// The command line's part

export interface CliPlugin {
  id: string
  setup(context: CliContext): Promise<Cleanup | void> | Cleanup | void
}

export interface CliContext {
  location?: { directory: string }
  client: { rpc(definition: RpcDefinition): RpcClient }
  theme?: { text?: Record<string, unknown> }
  ui: {
    slot(slot: { append: string; render: (input: object) => unknown }): () => void
    /** Absent before some 2.0 version. */
    toast?: { show(toast: { message: string; variant: string; duration?: number }): void }
  }
}

export type RpcClient = Record<string, (input?: unknown) => Promise<any>> & {
  events: { on(name: string, handler: (event: { data: any }) => void): () => void }
}

// What the helper answers to configure: all that this host lists of the plugin.

export interface Offered {
  info: ProviderInfo
  models: ModelInfo[]
}

export interface Configured {
  /** That of llm_base_url comes first. */
  providers: [Offered, ...Offered[]]
  methods: Method[]
  tools: { name: string; description: string }[]
  /** The environment variables that hold a secret. */
  secrets: string[]
}

export interface Configuration {
  now: Configured
  /** Asks the helper again, and has the host read again what has changed. */
  update(): Promise<void>
}
