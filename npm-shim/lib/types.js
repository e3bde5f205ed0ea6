// Empty, but there: OpenCode 1.14 looks for imports in the text of a plugin's modules,
// comments included, and must be able to open them. The types are in types.d.ts.
export {}
