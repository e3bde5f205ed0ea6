// The RPC from the server's part to that of the command line, which may be on another machine.
const ITEM = { type: 'object', properties: { text: { type: 'string' }, level: { type: 'string' } } }

/** @type {import('./contract.d.ts').RpcDefinition} */
export default {
  id: 'oci-oidc',
  methods: { status: { input: { type: 'object' }, output: ITEM } },
  events: { changed: { schema: ITEM } },
}
