// The entry of OpenCode's TUI, from 1.14 on.
import { tui } from './hosts/v1/tui.js'

export default { id: 'oci-oidc', tui }
