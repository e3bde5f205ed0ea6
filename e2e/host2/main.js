// The stand-in host as a process: each line of stdin is a command in JSON, {id, do, …},
// and each is answered by a line {id, result} or {id, error}. It ends with its input.
import { createInterface } from 'node:readline'
import { Hooks, Location, Server } from './host.js'
import { CommandLine } from './tui.js'

const server = new Server()
/** @type {Map<string, Location>} */
const locations = new Map()
const cli = new CommandLine()

/** @type {Record<string, (command: any, location: Location) => unknown>} */
const commands = {
  async load({ directory, folder, config, without = [], strange }) {
    const location = new Location(server, directory, config ?? {})
    locations.set(directory, location)
    await location.load(folder, (context) => without.reduce(lacking, strange ? withStrangeEditors(context) : context))
    return { plugin: location.plugin, error: location.error && String(location.error) }
  },
  unload: ({ errs }, location) => location.unload(errs),
  providers: (_, location) => location.providers(),
  integrations: (_, location) => location.integrations.list(),
  connect: ({ integration, method, answer }, location) => location.integrations.connect(integration, method, answer),
  attempt: ({ attempt }, location) => location.integrations.attempt(attempt),
  complete: ({ attempt, code }, location) => location.integrations.complete(attempt, code),
  cancel: ({ attempt }, location) => location.integrations.cancel(attempt),
  remove: ({ credential }, location) => location.integrations.remove(credential),
  activate: ({ credential }, location) => location.integrations.activate(credential),
  credentials: () => server.credentials,
  ask: (command, location) => location.ask({ kind: 'primary', text: 'Who am I?', ...command }),
  async storm({ times, ...command }, location) {
    const before = await memory()
    let failed = 0
    for (let i = 0; i < times; i++) if ((await location.ask({ kind: 'primary', text: 'Who am I?', ...command })).error) failed++
    return { failed, grown: (await memory()) - before }
  },
  offered: (_, location) => location.tools.offered(),
  tool: ({ tool, input }, location) => location.tools.call(tool, input),
  unhook: (_, location) => void (location.hooks = new Hooks()),
  cli: ({ folder }, location) => cli.load(folder, location),
  shows: ({ slot }) => cli.shows(slot),
  toasts: () => cli.toasts,
  uncli: () => cli.unload(),
  advance: ({ seconds }) => void (server.offset += seconds * 1_000),
}

/** @param {any} context @param {string} name such as shell.hook, which a host of another version may not have @returns {any} */
function lacking(context, name) {
  const [part = '', ...rest] = name.split('.')
  const { [part]: member, ...others } = context
  return rest.length > 0 && member ? { ...others, [part]: lacking(member, rest.join('.')) } : others
}

/** @param {any} context whose transforms get editors that are frozen and can do nothing */
function withStrangeEditors(context) {
  const strange = (/** @type {any} */ part) => ({ ...part, transform: (/** @type {any} */ callback) => part.transform(() => callback(Object.freeze({}))) })
  const { integration, provider, tool } = context
  return { ...context, integration: strange(integration), provider: strange(provider), tool: strange(tool) }
}

// What a finalizer lets go of is free after another collection.
async function memory() {
  const { Bun, gc } = /** @type {any} */ (globalThis)
  for (let i = 0; i < 10; i++) {
    Bun ? Bun.gc(true) : gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return process.memoryUsage().heapUsed
}

// A host does not end because of a plugin; but a promise that nobody hears is a fault here.
process.on('unhandledRejection', (reason) => {
  process.stdout.write(`${JSON.stringify({ unhandled: String(reason) })}\n`)
})

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { id, do: name, ...command } = JSON.parse(line)
    /** @type {object} */
    let answer
    try {
      const location = locations.get(command.directory) ?? [...locations.values()][0]
      const result = await commands[name]?.(command, /** @type {Location} */ (location))
      answer = { id, result: result ?? null }
    } catch (error) {
      answer = { id, error: error instanceof Error ? error.message : String(error) }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  })
  .on('close', () => process.exit())
