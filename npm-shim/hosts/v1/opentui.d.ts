// What OpenCode's TUI supplies to its plugins, as far as it is used here.

declare module '@opentui/solid' {
  export function createElement(name: string): object
  export function insert(parent: object, content: () => unknown): void
  export function setProp(node: object, name: string, value: unknown): void
  export function effect(run: () => void): void
}

declare module 'solid-js' {
  export function createRoot<T>(body: (dispose: () => void) => T): T
  export function createSignal<T>(value: T): [get: () => T, set: (value: T) => void]
  export function onMount(run: () => void): void
  export function onCleanup(run: () => void): void
}
