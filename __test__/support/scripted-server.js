const { startHttpServer } = require('./http-server');

/** An HTTP server that answers what `answers` has for a path, and keeps what it was asked. */
async function startScripted(answers) {
  const requests = [];
  const server = await startHttpServer((request, response, body) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    requests.push({ path: pathname, url: request.url, headers: request.headers, form: new URLSearchParams(body) });
    const answer = answers(pathname, server.origin);
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer ?? {}));
  });
  const { origin, address, close } = server;
  return { url: origin, address, requests, close };
}

module.exports = { startScripted };
