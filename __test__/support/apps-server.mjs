/**
 * A server with an app: node apps-server.mjs
 * A process of its own because the package that registers apps is an ES module, which jest does not load. Tells its parent
 * the address and, when it is asked for it (`{}`), what was `called` and how many `lists` of tools it gave; takes
 * `{ tool, visibility }`, to change who sees a tool.
 */

import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { json } from 'node:stream/consumers';
import { RESOURCE_MIME_TYPE, registerAppResource, registerAppTool } from '@modelcontextprotocol/ext-apps/server';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const BOARD = 'ui://board/view';
const HTML = '<!doctype html><title>Böard</title>';
const MIB = 1024 * 1024;

/** By tool, its `_meta`. */
const TOOLS = {
  show: { ui: { resourceUri: BOARD } },
  move: { ui: { resourceUri: BOARD, visibility: ['app'] } },
  explain: { ui: { visibility: ['model'] } },
  nobody: { ui: { visibility: [] } },
  outside: { ui: { resourceUri: 'http://127.0.0.1/' } },
  large: { ui: { resourceUri: 'ui://board/large' } },
};

/** By URI, what `resources/read` answers. */
const RESOURCES = {
  [BOARD]: {
    text: HTML,
    _meta: { ui: { csp: { connectDomains: ['https://api.example.org'] }, permissions: { camera: {} } } },
  },
  'ui://board/blob': { blob: Buffer.from(HTML).toString('base64') },
  'ui://board/full': { text: 'x'.repeat(4 * MIB - 1024) },
  'ui://board/large': { text: 'x'.repeat(4 * MIB) },
  'ui://board/large-blob': { blob: Buffer.alloc(5 * MIB).toString('base64') },
  'ui://board/broken-blob': { blob: '%%%' },
  'ui://board/invalid-utf8': { blob: Buffer.from([0xff, 0xfe]).toString('base64') },
  'ui://board/empty': {},
  'ui://board/page': { mimeType: 'text/html', text: HTML },
  'ui://board/other': { uri: BOARD, text: HTML },
  'board://scores': { mimeType: 'application/json', text: '{"white":1}' },
  'board://large': { mimeType: 'text/plain', text: 'x'.repeat(4 * MIB) },
};

const sessions = new Map();
/** The tools that were called, and the resource that is never answered. */
const called = [];
let lists = 0;

function createServer() {
  const server = new McpServer({ name: 'board', version: '1.0.0' });
  const tools = {};
  for (const [name, _meta] of Object.entries(TOOLS)) {
    tools[name] = registerAppTool(server, name, { description: name, _meta }, (extra) => {
      called.push(name);
      return {
        content: [{ type: 'text', text: name }],
        structuredContent: { turn: 1 },
        _meta: { session: extra.sessionId },
      };
    });
  }
  // As servers wrote it before the extension was stable.
  server.registerTool('flat', { _meta: { 'ui/resourceUri': 'ui://board/blob' } }, () => ({ content: [] }));
  server.registerTool('plain', {}, () => ({ content: [] }));
  for (const [uri, content] of Object.entries(RESOURCES)) {
    const contents = [{ uri, mimeType: RESOURCE_MIME_TYPE, ...content }];
    registerAppResource(server, uri, uri, {}, () => ({ contents }));
  }
  registerAppResource(server, 'slow', 'ui://board/slow', {}, () => {
    called.push('slow');
    return new Promise(() => {});
  });
  return { server, tools };
}

async function handle(request, response) {
  const id = request.headers['mcp-session-id'];
  const message = request.method === 'POST' ? await json(request) : undefined;
  if (message?.method === 'tools/list') lists += 1;
  let session = sessions.get(id);
  if (!session) {
    if (message?.method !== 'initialize') return response.writeHead(id ? 404 : 400).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (opened) => sessions.set(opened, session),
    });
    session = { ...createServer(), transport };
    await session.server.connect(transport);
  }
  return session.transport.handleRequest(request, response, message);
}

const listener = http.createServer({ keepAliveTimeout: 10_000 }, (request, response) => {
  handle(request, response).catch(() => response.destroy());
});

process.on('message', ({ tool, visibility }) => {
  if (tool) {
    TOOLS[tool] = { ui: { ...TOOLS[tool].ui, visibility } };
    for (const { tools } of sessions.values()) tools[tool].update({ _meta: TOOLS[tool] });
  }
  process.send({ called, lists });
});

listener.listen(0, '127.0.0.1', () => process.send({ address: `127.0.0.1:${listener.address().port}` }));
