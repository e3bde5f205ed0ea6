// The entry of OpenCode's TUI: from 1.14 on it calls tui, in OpenCode 2 setup.
import { tui } from './hosts/v1/tui.js'
import { setupTui } from './hosts/v2/entry.js'

export default { id: 'oci-oidc', tui, setup: setupTui }
