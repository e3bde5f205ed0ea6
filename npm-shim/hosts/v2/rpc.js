// The RPC from the server's part to that of the command line, which may be on another machine.
const TEXT = { type: 'string' }
const ITEM = { type: 'object', properties: { text: TEXT, level: TEXT, command: TEXT } }
const OBJECT = { type: 'object' }

/** @type {import('./contract.d.ts').RpcDefinition} */
export default {
  id: 'oci-oidc',
  methods: { status: { input: OBJECT, output: ITEM }, command: { input: OBJECT, output: OBJECT } },
  events: { changed: { schema: ITEM } },
}
