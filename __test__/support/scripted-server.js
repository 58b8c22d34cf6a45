const { once } = require('node:events');
const { createServer } = require('node:http');

/** An HTTP server that answers what `answers` has for a path, and keeps what it was asked. */
async function startScripted(answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { pathname } = new URL(request.url, 'http://localhost');
    requests.push({ path: pathname, url: request.url, headers: request.headers, form: new URLSearchParams(body) });
    const answer = answers(pathname, url());
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  });
  const url = () => `http://127.0.0.1:${server.address().port}`;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { url: url(), address: url().slice('http://'.length), requests, close };
}

module.exports = { startScripted };
