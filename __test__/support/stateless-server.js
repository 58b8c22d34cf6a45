const { createServer } = require('node:http');
const { Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { createMcpHandler, Server } = require('@modelcontextprotocol/server');

/**
 * An MCP server of 2026-07-28, without sessions, on a free loopback port.
 *
 * @param options.capabilities  what it announces
 * @param options.handlers      by method: `(request, context) => result`
 */
async function startStatelessServer({ capabilities = { tools: {} }, handlers = {} } = {}) {
  const requests = [];
  const handler = createMcpHandler(
    () => {
      const server = new Server({ name: 'stateless-server', version: '1.0.0', title: 'Stateless' }, { capabilities });
      for (const [method, handle] of Object.entries(handlers)) server.setRequestHandler(method, handle);
      return server;
    },
    { legacy: 'reject' },
  );

  const listener = createServer({ keepAliveTimeout: 10_000 }, async (request, response) => {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const chunks = await request.toArray();
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined;
    if (body) requests.push({ headers: request.headers, message: JSON.parse(body) });
    const { method, headers } = request;
    const url = `http://${request.headers.host}${request.url}`;
    try {
      const answer = await handler.fetch(new Request(url, { method, headers, body, signal: gone.signal }));
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (answer.body) await pipeline(Readable.fromWeb(answer.body), response);
      else response.end();
    } catch {
      // The client has gone.
      response.destroy();
    }
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${listener.address().port}`;
  const url = `http://${address}/mcp`;
  return {
    address,
    url,
    requests,
    notify: handler.notify,
    received: (method) => requests.filter((entry) => entry.message.method === method),
    config: (extra) => ({ type: 'streamable-http', url, requiresOAuth: false, source: 'yaml', ...extra }),
    async close() {
      await handler.close();
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

module.exports = { startStatelessServer };
