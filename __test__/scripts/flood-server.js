/**
 * A server in a process of its own that sends one message again and again, as fast as it is read, from its first tool call
 * on: `flood-server.js {"where":"get"|"call"|"sse","message":{…}}`. Tells its port with one line on stdout.
 */

const http = require('node:http');

const { where, message } = JSON.parse(process.argv[2]);
const streams = new Set();
let count = 0;

const event = (body) => `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...body })}\n\n`;
const next = () =>
  event(message.method.startsWith('notifications/') ? message : { ...message, id: `flood-${++count}` });

function flood(stream) {
  if (stream.destroyed) return;
  if (stream.write(Array.from({ length: 100 }, next).join(''))) setImmediate(flood, stream);
  else stream.once('drain', () => flood(stream));
}

function open(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': 'one' });
  response.write(where === 'sse' ? 'event: endpoint\ndata: /messages\n\n' : ':\n\n');
}

const RESULTS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {}, logging: {} },
    serverInfo: { name: 'flood', version: '1' },
  }),
  'tools/list': () => ({ tools: [{ name: 'flood', inputSchema: { type: 'object' } }] }),
  'tools/call': () => ({ content: [] }),
};

const server = http.createServer(async (request, response) => {
  response.on('error', () => {});
  if (request.method === 'DELETE') return response.end();
  if (request.method === 'GET') {
    if (where === 'call') return response.writeHead(405).end();
    open(response);
    return streams.add(response);
  }
  let text = '';
  for await (const chunk of request) text += chunk;
  const { id, method, params } = JSON.parse(text);
  if (method === undefined || id === undefined) return response.writeHead(202).end();
  const answer = event({ id, result: (RESULTS[method] ?? (() => ({})))(params) });
  if (method === 'tools/call') for (const stream of streams) flood(stream);
  if (where === 'sse') {
    response.writeHead(202).end();
    for (const stream of streams) stream.write(answer);
    return undefined;
  }
  open(response);
  if (method === 'tools/call' && where === 'call') return flood(response);
  return response.end(answer);
});

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit());
