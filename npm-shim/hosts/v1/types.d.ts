// The shapes of OpenCode 1, as far as they are used here. A test holds them against those
// of @opencode-ai/plugin.

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
  'tool.execute.before'(input: { tool: string }, output: { args: any }): Promise<void>
  'tool.execute.after'(input: { tool: string }, output: any): Promise<void>
  dispose(): Promise<void>
}

export interface OpenCodeConfig {
  model?: string
  small_model?: string
  provider?: Record<string, any>
  permission?: any
  agent?: Record<string, any>
  mode?: Record<string, any>
}

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

export type Authorization = {
  url: string
  instructions: string
} & (
  | { method: 'auto'; callback(): Promise<AuthResult> }
  | { method: 'code'; callback(code: string): Promise<AuthResult> }
)

export type AuthResult = { type: 'success'; provider: string; key: string } | { type: 'failed' }

export interface Tool {
  description: string
  args: Record<string, never>
  execute(args: unknown, context?: { abort?: AbortSignal }): Promise<string>
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
