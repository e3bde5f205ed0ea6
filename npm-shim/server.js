// The entry of OpenCode from 1.14 on, which calls server, and of OpenCode 2, which calls setup.
import plugin from './hosts/v1/plugin.js'
import { setup } from './hosts/v2/entry.js'

// Plugin options of opencode.json are not handed on.
export default { id: 'oci-oidc', server: (/** @type {Parameters<typeof plugin>[0]} */ input) => plugin(input), setup }
