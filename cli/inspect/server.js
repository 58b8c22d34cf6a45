/** The page's server, on loopback alone: its files, and what it asks for. */

const { createServer } = require('node:http');
const { isMapping } = require('../config');
const { readAssets } = require('./assets');
const { fault } = require('./fault');
const { Guard, HEADERS } = require('./guard');

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Long enough for whoever types, for what is not a body. */
const HEADERS_TIMEOUT_MS = 10_000;

/**
 * @param port     0: any that is free
 * @param feed     a `Feed`
 * @param first    how everything is, as events of the feed
 * @param actions  functions by name, each from the page's parameters and a signal to what the page gets. The signal is
 *   aborted when the page waits no more
 * @returns `{ address, close() }`: the address is good for one page
 */
async function startServer({ port, feed, first, actions }) {
  const assets = readAssets();
  let guard;

  async function answer(request, response) {
    const objection = guard.objection(request);
    if (objection) return refuse(response, 403, objection);
    const { method, url } = request;
    if (method === 'GET' && assets.has(url)) return send(response, 200, assets.get(url));
    if (!url.startsWith('/api/')) return refuse(response, 404, 'there is no such file');
    if (method === 'POST' && url === '/api/session') return openSession(request, response);
    if (!guard.knows(request))
      return refuse(response, 401, 'this tab has no key: start inspect again, and open the address that it shows');
    if (method === 'GET' && url === '/api/events') {
      response.writeHead(200, { ...HEADERS, 'content-type': 'application/x-ndjson' });
      return feed.open(response, first());
    }
    const action = method === 'POST' && actions.get(url.slice('/api/'.length));
    if (!action) return refuse(response, 404, 'there is no such action');
    const parameters = await readJson(request);
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    return sendJson(response, 200, (await action(parameters, gone.signal)) ?? {});
  }

  async function openSession(request, response) {
    const { token } = await readJson(request);
    const key = guard.exchange(token);
    return key
      ? sendJson(response, 200, { key })
      : refuse(response, 401, 'this address was used before, and is good for one tab: start inspect again for another');
  }

  const listener = createServer({ headersTimeout: HEADERS_TIMEOUT_MS }, (request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) refuse(response, error.status ?? 500, error.message);
      else response.destroy();
    });
  });
  await new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(port, '127.0.0.1', resolve);
  });
  guard = new Guard(listener.address().port);
  return {
    address: guard.address,
    close: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        listener.closeAllConnections();
      }),
  };
}

function send(response, status, { type, body }) {
  response.writeHead(status, { ...HEADERS, 'content-type': type }).end(body);
}

const sendJson = (response, status, value) =>
  send(response, status, { type: 'application/json', body: JSON.stringify(value) });

const refuse = (response, status, message) => sendJson(response, status, { message });

/** The object that the request carries. */
async function readJson(request) {
  // A form of another page cannot have this type.
  if (request.headers['content-type'] !== 'application/json') throw fault(415, 'expected JSON');
  // Node reads no more than this; the page always says it.
  if (!(Number(request.headers['content-length']) <= MAX_BODY_BYTES)) {
    throw fault(413, `expected at most ${MAX_BODY_BYTES} bytes`);
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  let value;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw fault(400, 'this is no JSON');
  }
  if (!isMapping(value)) throw fault(400, 'expected an object');
  return value;
}

module.exports = { startServer };
