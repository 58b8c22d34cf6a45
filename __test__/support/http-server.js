const { once } = require('node:events');
const http = require('node:http');
const https = require('node:https');

/**
 * An HTTP server on a port of its own, with `tls` (Node's options) one of HTTPS.
 *
 * @param answer  called with the request, the response and the text of the request's body
 * @param host    what clients are told, as in `address` and `origin`
 */
async function startHttpServer(answer, { tls, host = '127.0.0.1' } = {}) {
  const { createServer } = tls ? https : http;
  const server = createServer({ ...tls }, async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    answer(request, response, Buffer.concat(chunks).toString());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `${host}:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { address, origin: `${tls ? 'https' : 'http'}://${address}`, close };
}

module.exports = { startHttpServer };
