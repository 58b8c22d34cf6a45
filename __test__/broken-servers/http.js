/** URLs that are wrong, and servers and gateways that answer with something else than MCP. */

const { closedAddress, startMcpServer } = require('../support/mcp-server');
const { KEY, WRONG_KEY } = require('./secrets');
const { startEverything } = require('../support/everything');

const SHORT_MS = 3000;

const page = (title) =>
  `<!doctype html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`;
const HTML = { 'content-type': 'text/html; charset=utf-8' };
const JSON_TYPE = { 'content-type': 'application/json' };

/** Answers everything alike. */
const always =
  (status, body = '', headers = {}) =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

/** Answers `POST` alike, and has nothing else: no metadata of authorization either. */
const toPosts =
  (status, body = '', headers = {}) =>
  (request, response) => {
    if (request.method === 'POST') response.writeHead(status, headers).end(body);
    else response.writeHead(404).end();
  };

/** Answers `initialize` with this result. */
const initialized = (result) => (request, response, body) => {
  if (request.method !== 'POST') return response.writeHead(405).end();
  const { id } = JSON.parse(body);
  if (id === undefined) return response.writeHead(202).end();
  return response.writeHead(200, JSON_TYPE).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
};

module.exports = async function httpServers({ keep, serve }) {
  const everything = keep(await startEverything('streamableHttp'));
  const closed = await closedAddress();
  keep({ address: closed.address, close() {} });
  const elsewhere = await serve(always(200));
  const keyed = keep(
    await startMcpServer({
      fault: ({ request, response }) => {
        const key = request.headers['x-api-key'];
        if (key === KEY) return false;
        const error = key ? `${key} is no key of this server` : 'the header X-Api-Key is missing';
        response.writeHead(401, JSON_TYPE).end(JSON.stringify({ error }));
        return true;
      },
    }),
  );
  const at = (url, rest) => ({ type: 'streamable-http', url, ...rest });
  const answering = async (answer, rest) => (await serve(answer)).config(rest);

  return {
    'http-nothing-listens': at(closed.url),
    'http-unknown-host': at('http://notes-server.invalid/mcp'),
    'http-wrong-path': at(`http://${everything.address}/mpc`),
    'http-page': await answering(always(200, page('Notes – Sign in'), HTML)),
    'http-301': await answering(always(301, '', { location: '/v2/mcp' })),
    'http-302-other-origin': await answering(always(302, '', { location: `${elsewhere.origin}/mcp` })),
    'http-302-login': await answering(always(302, '', { location: '/login?next=%2Fmcp' })),
    'http-400': await answering(toPosts(400, '{"error":"the header X-Workspace is missing"}', JSON_TYPE)),
    'http-401': await answering(always(401, 'Unauthorized')),
    'http-403': await answering(toPosts(403, 'Your address is not on the allowlist', { 'content-type': 'text/plain' })),
    'http-404': await answering(always(404)),
    'http-405': await answering(always(405, '', { allow: 'GET' })),
    'http-429': await answering(toPosts(429, '{"message":"quota exceeded"}', { ...JSON_TYPE, 'retry-after': '30' })),
    'http-500': await answering(toPosts(500, '{"error":{"message":"relation notes does not exist"}}', JSON_TYPE)),
    'http-502': await answering(toPosts(502, page('502 Bad Gateway'), HTML)),
    'http-503': await answering(toPosts(503, page('Down for maintenance'), { ...HTML, 'retry-after': '120' })),
    'http-slow': await answering((_, response) => response.on('close', () => {}), { initTimeout: SHORT_MS }),
    'http-protocol-version': await answering(
      initialized({ protocolVersion: '1999-01-01', capabilities: {}, serverInfo: { name: 'old', version: '1' } }),
    ),
    'http-no-json': await answering(toPosts(200, 'OK, notes are running', JSON_TYPE)),
    'http-no-json-rpc': await answering(toPosts(200, '{"message":"Endpoint request timed out"}', JSON_TYPE)),
    'http-empty': await answering(toPosts(200)),
    'sse-as-http': at(keyed.sseUrl, { headers: { 'X-Api-Key': KEY } }),
    'http-as-sse': { type: 'sse', url: everything.url },
    'websocket-to-none': { type: 'websocket', url: everything.url.replace('http:', 'ws:') },
    'key-missing': at(keyed.url),
    'key-wrong': at(keyed.url, { headers: { 'X-Api-Key': WRONG_KEY } }),
    'key-right': at(keyed.url, { headers: { 'X-Api-Key': KEY } }),
  };
};
