// The entry of OpenCode up to 1.3, which calls every export of `main`: so there is one.
export { plugin as default } from './lib/plugin.js'
