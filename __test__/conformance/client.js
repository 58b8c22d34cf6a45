/**
 * The client that the official conformance suite drives, over the public API: `node client.js SERVER_URL`.
 *
 * It does what a host does, whatever the scenario: connects, lists what the server offers and uses all of it, answers
 * what the server asks, and authorizes where the server wants that. The suite says in MCP_CONFORMANCE_CONTEXT which
 * values a scenario expects to be sent.
 *
 * Ends with exit code 1 where an operation failed that a server of the suite answers.
 */

const { createMCPRuntime } = require('../support/addon');
const { createHost, createUser } = require('../support/host');
const { createAuthorization, handedOut, oauthConfig } = require('./authorization');
const { argumentsFor, fillIn } = require('./schema');

const serverName = 'conformance';
const METHOD_NOT_FOUND = -32601;

const serverUrl = process.argv[2];
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');

/** Values that a scenario wants for a tool, from its context; else some that fit the schema. */
function callsOf(tool, tools) {
  const wanted = context.toolCalls?.filter((call) => call.name === tool.name);
  if (wanted?.length) return wanted.map((call) => call.arguments);
  // The scenario about schemas is told which one the client saw.
  const seen = tools.find((other) => other.name === 'json_schema_2020_12_tool');
  if (tool.name === 'json_schema_echo' && seen) return [{ schema: seen.inputSchema }];
  return [argumentsFor(tool.inputSchema)];
}

/** Some servers of the suite list more than they answer. */
async function unlessUnknown(work) {
  try {
    return await work;
  } catch (error) {
    if (error.code !== METHOD_NOT_FOUND) throw error;
    console.log(`the server does not know the method: ${error.message}`);
    return undefined;
  }
}

async function useTools(tools, call) {
  // At the same time, so that what belongs to one call must not get into another.
  const calls = tools.flatMap((tool) => callsOf(tool, tools).map((toolArguments) => call(tool.name, toolArguments)));
  for (const result of await Promise.all(calls)) console.log('result', JSON.stringify(result));
}

async function useRest(connection) {
  const capabilities = connection.client.getServerCapabilities() ?? {};
  const request = (method, params) => unlessUnknown(connection.client.request({ method, params }));
  if (capabilities.resources) {
    for (const { uri } of await connection.fetchResources()) await request('resources/read', { uri });
  }
  if (capabilities.prompts) {
    for (const { name } of await connection.fetchPrompts()) await request('prompts/get', { name, arguments: {} });
  }
}

async function main() {
  const user = createUser();
  const authorization = createAuthorization();
  const handed = handedOut(context);
  // Servers of the suite ask on the GET stream, where only the user's own connection says who is asked.
  const config = { type: 'streamable-http', url: serverUrl, startup: false };
  const servers = { [serverName]: config };
  const host = createHost({
    servers,
    // Servers and authorization servers of the suite are on free ports of this machine.
    allowedDomains: ['localhost'],
    services: {
      elicitation: ({ requestedSchema }) => ({ action: 'accept', content: fillIn(requestedSchema) }),
      sampling: () => ({ role: 'assistant', model: 'none', content: { type: 'text', text: 'sampled' } }),
      roots: () => ({ roots: [] }),
      ...authorization.services,
      ...handed.services,
    },
  });
  const runtime = createMCPRuntime(host.services);
  const asking = { serverName, user, ...handed.session, ...authorization.asking(runtime, user, serverName) };
  try {
    let connected = await runtime.reinitMCPServer(asking);
    if (authorization.isWanted(connected.error) && runtime.oauth) {
      servers[serverName] = { ...config, ...(await oauthConfig(context, serverUrl)) };
      connected = await runtime.reinitMCPServer(asking);
    }
    // As a user does who sees a server without its tools.
    if (connected.toolsError) connected = await runtime.reinitMCPServer({ ...asking, forceNew: true });
    if (!connected.success) throw new Error(connected.message, { cause: connected.error });
    const connection = await runtime.manager.getConnection(asking);
    const tools = await connection.fetchTools();
    console.log('tools', tools.map((tool) => tool.name).join(', '));
    const call = (toolName, toolArguments) =>
      unlessUnknown(runtime.manager.callTool({ ...asking, toolName, toolArguments }));
    await useTools(tools, call);
    await useRest(connection);
  } finally {
    await runtime.close();
    console.log(host.logger.text());
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
