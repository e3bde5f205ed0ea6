// The entry of OpenCode from 1.14 on.
import { PROVIDER } from './lib/messages.js'
import { plugin } from './lib/plugin.js'

export default { id: PROVIDER, server: plugin }
