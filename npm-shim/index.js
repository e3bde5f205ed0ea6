// The entry of OpenCode up to 1.3, which calls every export of `main`: so there is one.
import { plugin } from './lib/plugin.js'

/** @param {import('./lib/types.js').PluginInput} input */
export default (input) => plugin(input, { plain: true })
