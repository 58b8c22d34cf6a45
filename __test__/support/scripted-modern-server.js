const http = require('node:http');

const VERSION = '2026-07-28';
/** Members of every result. */
const BASE = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };

/**
 * A server of 2026-07-28: `answer(method, params, headers)` is its result, or `{ error }` alone; without one it hangs up.
 */
async function startModern(answer) {
  const requests = [];
  const server = http.createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.method !== 'POST') return response.writeHead(405).end();
    const { id, method, params } = JSON.parse(text);
    requests.push({ id, method, params, text, headers: request.headers });
    const result = answer(method, params, request.headers);
    if (!result) return request.socket.destroy();
    const isError = result.error && !result.resultType;
    const body = isError ? { jsonrpc: '2.0', id, ...result } : { jsonrpc: '2.0', id, result };
    response.writeHead(isError ? 400 : 200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${server.address().port}`;
  const config = { type: 'streamable-http', url: `http://${address}/mcp`, requiresOAuth: false };
  const received = (method) => requests.filter((request) => request.method === method);
  return { address, config, received, close: () => server.close().closeAllConnections() };
}

/** The answer to `server/discover` of a server that has tools. */
function discover() {
  const serverInfo = { name: 'srv', version: '1' };
  return { ...BASE, supportedVersions: [VERSION], capabilities: { tools: {} }, serverInfo };
}

module.exports = { BASE, discover, startModern };
