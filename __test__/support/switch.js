const { once } = require('node:events');
const net = require('node:net');
const { freePort } = require('./ports');

/**
 * An address that leads to a server of this machine, and then to another.
 *
 * @returns `{ port, lead, close }`; `lead(port)` ends all connections, and leads those that follow to that port
 */
async function startSwitch(target) {
  const sockets = new Set();
  let leadsTo = target;
  const endAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const server = net.createServer((near) => {
    const far = net.connect(leadsTo, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const port = await freePort();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port,
    lead(next) {
      leadsTo = next;
      endAll();
    },
    async close() {
      server.close();
      endAll();
      await once(server, 'close');
    },
  };
}

module.exports = { startSwitch };
