// What the server's part tells the command line's, which may be on another machine.
const ITEM = { type: 'object', properties: { text: { type: 'string' }, level: { type: 'string' } } }

/** @type {import('./contract.d.ts').RpcDefinition} */
export default {
  id: 'oci-oidc',
  methods: { status: { input: { type: 'object' }, output: ITEM } },
  events: { changed: { schema: ITEM } },
}
