/** A program that uses `runtime.client`, and what its types refuse. */

import {
  type CallToolResult,
  createMCPRuntime,
  type MCPClient,
  type MCPClientParams,
  type MCPError,
  type MCPUser,
  type Tool,
} from '../../index.js';

const runtime = createMCPRuntime({ config: 'librechat.yaml' });
const params: MCPClientParams = { user: { id: 'u' }, customUserVars: { KEY: 'k' }, authorize: false };
const client: MCPClient = runtime.client('files', params);

async function read(): Promise<string[]> {
  const { tools, nextCursor } = await client.listTools();
  const first: Tool | undefined = tools[0];
  const result: CallToolResult = await client.callTool(
    { name: first?.name ?? '', arguments: { path: '/' } },
    { signal: AbortSignal.timeout(1000), timeout: 500, onprogress: ({ progress, total }) => progress / (total ?? 1) },
  );
  const { prompts } = await client.listPrompts({ cursor: nextCursor });
  await client.complete({ ref: { type: 'ref/prompt', name: prompts[0]?.name ?? '' }, argument: { name: 'a', value: '' } });
  await client.setLoggingLevel('warning');
  client
    .on('toolsChanged', (changed) => changed.map(({ inputSchema }) => inputSchema.properties))
    .once('resourceUpdated', ({ uri }) => client.readResource({ uri }));
  const version: string | undefined = client.serverInfo?.version;
  const canSubscribe = client.capabilities?.resources?.subscribe === true;
  await client.callTool({ name: 'dig' }, { ontask: (task) => client.resumeTask(task, { timeout: 500 }) });
  await client.close();
  return result.content.flatMap((block) => (block.type === 'text' ? [block.text] : [`${version} ${canSubscribe}`]));
}

/** Servers of 2026-07-28 have results and schemas of any type. */
async function ofAnyType(): Promise<unknown[]> {
  const { structuredContent } = await client.callTool({ name: 'list' });
  const { tools } = await client.listTools();
  const anyOf: unknown = tools[0]?.outputSchema?.['anyOf'];
  return Array.isArray(structuredContent) ? structuredContent : [structuredContent, anyOf];
}

async function isLate(): Promise<boolean> {
  try {
    await client.ping();
    return false;
  } catch (caught) {
    const { code, mcpCode, retryable, status, data, cause } = caught as MCPError;
    return (mcpCode ?? code) === 'MCP_TIMEOUT' && retryable === true && ![status, data, cause].includes(504);
  }
}

/** An interface, as Mongoose's documents are. */
interface Person {
  id?: string;
  provider: string;
}
declare const person: Person;
const users: MCPUser[] = [person, { id: 'u', name: 'U' }, {}];

async function refused() {
  // @ts-expect-error any JSON value is no object
  (await client.callTool({ name: 'list' })).structuredContent?.['degrees'];
  // @ts-expect-error an id is a text
  runtime.client('files', { user: { id: 5 } });
  // @ts-expect-error a tool has a name
  await client.callTool({ arguments: {} });
  // @ts-expect-error not a level
  await client.setLoggingLevel('loud');
  // @ts-expect-error a handle is not an id
  await client.resumeTask('id');
  // @ts-expect-error no event
  client.on('toolschanged', () => undefined);
  // @ts-expect-error the server's name comes first
  runtime.client({ serverName: 'files' });
  // @ts-expect-error only the server says who it is
  client.protocolVersion = '2025-11-25';
}

async function ofLibreChat() {
  const outcome = await runtime.manager.callTool({ serverName: 'files', toolName: 't' });
  const [content, artifacts] = outcome;
  return [content, artifacts, outcome.raw?.isError, outcome.raw?.structuredContent];
}

export { isLate, ofAnyType, ofLibreChat, read, refused, users };
