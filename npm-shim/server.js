// The entry of OpenCode from 1.14 on.
import plugin from './hosts/v1/plugin.js'

// Plugin options of opencode.json are not handed on.
export default { id: 'oci-oidc', server: (/** @type {Parameters<typeof plugin>[0]} */ input) => plugin(input) }
