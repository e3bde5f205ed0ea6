// The RPC from the server's part to that of the command line, which may be on another machine.
const TEXT = { type: 'string' }
const NAME = { type: 'object', properties: { name: TEXT } }
const ITEM = { type: 'object', properties: { text: TEXT, level: TEXT, command: TEXT } }
const TOAST = { type: 'object', properties: { message: TEXT, variant: TEXT } }

/** @type {import('./contract.d.ts').RpcDefinition} */
export default {
  id: 'oci-oidc',
  methods: { status: { input: { type: 'object' }, output: ITEM }, command: { input: NAME, output: TOAST } },
  events: { changed: { schema: ITEM } },
}
