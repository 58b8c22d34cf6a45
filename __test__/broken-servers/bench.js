const { once } = require('node:events');
const { mkdtempSync, rmSync } = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

/** Where the servers of a suite stand: what is started here is closed by `close()`, the last one first. */
function createBench() {
  const open = [];
  const addresses = [];
  const folder = mkdtempSync(join(tmpdir(), 'broken-servers-'));

  const keep = (thing) => {
    open.push(thing);
    if (thing.address) addresses.push(thing.address);
    return thing;
  };

  /**
   * A server that answers with `answer(request, response, body)`, over TLS where there is a certificate.
   *
   * @returns `{ address, origin, config(rest) }`: the configuration of a server at `/mcp` of it
   */
  async function serve(answer, { tls, host = '127.0.0.1' } = {}) {
    const { createServer } = tls ? https : http;
    const listener = createServer({ ...tls }, async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      answer(request, response, Buffer.concat(chunks).toString());
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const address = `${host}:${listener.address().port}`;
    const origin = `${tls ? 'https' : 'http'}://${address}`;
    const config = (rest) => ({ type: 'streamable-http', url: `${origin}/mcp`, ...rest });
    const close = () => {
      listener.closeAllConnections();
      return new Promise((done) => listener.close(done));
    };
    return keep({ address, origin, config, close });
  }

  async function close() {
    for (const thing of open.splice(0).reverse()) await thing.close();
    rmSync(folder, { recursive: true });
  }

  return { addresses, close, folder, keep, serve };
}

module.exports = { createBench };
