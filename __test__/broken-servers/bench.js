const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { startHttpServer } = require('../support/http-server');

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
  async function serve(answer, options) {
    const { address, origin, close } = await startHttpServer(answer, options);
    const config = (rest) => ({ type: 'streamable-http', url: `${origin}/mcp`, ...rest });
    return keep({ address, origin, config, close });
  }

  async function close() {
    for (const thing of open.splice(0).reverse()) await thing.close();
    rmSync(folder, { recursive: true });
  }

  return { addresses, close, folder, keep, serve };
}

module.exports = { createBench };
