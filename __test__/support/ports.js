const { randomInt } = require('node:crypto');
const net = require('node:net');

/** Systems give ports above these to whoever asks for any: nobody gets one of these by chance. */
const [FIRST, LAST] = [20_000, 32_000];
/** Suites that run beside each other take turns: one has the ports that leave this remainder, another those of the next. */
const SUITES = 4;
const OWN = Number(process.env.JEST_WORKER_ID ?? 0) % SUITES;
const given = new Set();

/** A loopback port on which nothing listens, and none that was given before. */
async function freePort() {
  for (;;) {
    const port = randomInt(FIRST / SUITES, LAST / SUITES) * SUITES + OWN;
    if (!given.has(port) && (await canListen(port))) {
      given.add(port);
      return port;
    }
  }
}

/** So many of them. */
const freePorts = (count) => Promise.all(Array.from({ length: count }, freePort));

function canListen(port) {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Whether something listens on a loopback port. */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

module.exports = { accepts, freePort, freePorts };
