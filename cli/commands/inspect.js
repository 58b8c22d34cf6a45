/** `inspect`: a page on loopback with all servers of the configuration. */

const { once } = require('node:events');
const { openPrivately } = require('../browser');
const { EXIT, Failure } = require('../failure');
const { Feed } = require('../inspect/feed');
const { Questions } = require('../inspect/questions');
const { startServer } = require('../inspect/server');
const { Servers } = require('../inspect/servers');
const { Traffic } = require('../inspect/traffic');
const { print, printJson } = require('../output');
const { withRuntime } = require('../runtime');

module.exports = async function inspect(file, options) {
  const feed = new Feed();
  const tell = (event) => feed.tell(event);
  const questions = new Questions(tell);
  const traffic = new Traffic(tell);
  const services = { ...questions.services, onTraffic: traffic.onTraffic };
  const config = file ?? options.config;

  return withRuntime({ ...options, config, services, ownConnections: true }, async (context) => {
    const servers = new Servers(context, tell);
    const actions = new Map([
      ['answer', (parameters) => questions.answer(parameters)],
      ['clear', (parameters) => traffic.clear(parameters)],
      ['connect', (parameters) => servers.connect(parameters)],
      ['exchange', (parameters) => servers.exchange(parameters)],
      ['login', (parameters) => servers.logins.begin(parameters)],
      ['login-cancel', (parameters) => servers.logins.cancel(parameters)],
      ['logout', (parameters) => servers.logins.end(parameters)],
      ['refresh', (parameters) => servers.logins.refresh(parameters)],
      ['request', (parameters, signal) => servers.request(parameters, signal)],
      ['roots', (parameters) => questions.setRoots(parameters)],
    ]);
    const first = () => [servers.event, questions.event, traffic.event];
    const server = await startServer({ port: options.port ?? 0, feed, first, actions }).catch((error) => {
      throw new Failure(`The page cannot be served: ${error.message}`, { hint: 'Name another port: --port 8123' });
    });
    let forget;
    try {
      if (options.json) printJson({ version: 1, ok: true, address: server.address });
      else print(`Open this address, which is good for one page; Ctrl+C ends it:\n\n  ${server.address}\n`);
      if (options.browser) forget = openPrivately(server.address);
      // Each failure stands in its server's state.
      servers.connectAll();
      await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    } finally {
      forget?.();
      await server.close();
    }
    return EXIT.ok;
  });
};
