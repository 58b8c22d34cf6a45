const { once } = require('node:events');
const net = require('node:net');
const { freePort } = require('./ports');

/**
 * An address that leads to a server of this machine, and then to another.
 *
 * @returns `{ port, lead, stall, resume, close }`; `lead(port)` ends all connections, and leads those that follow to that
 *   port; after `stall()` nothing that is sent arrives, as in a network that is cut, until `resume()`
 */
async function startSwitch(target) {
  const ways = new Map();
  let leadsTo = target;
  let isStalled = false;
  const endAll = () => {
    for (const socket of ways.keys()) socket.destroy();
  };
  const server = net.createServer((near) => {
    const far = net.connect(leadsTo, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      ways.set(socket, other);
      socket.on('error', () => {});
      socket.on('close', () => {
        ways.delete(socket);
        other.destroy();
      });
      if (!isStalled) socket.pipe(other);
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
    stall() {
      isStalled = true;
      for (const [socket, other] of ways) socket.unpipe(other);
    },
    resume() {
      isStalled = false;
      for (const [socket, other] of ways) socket.pipe(other);
    },
    async close() {
      server.close();
      endAll();
      await once(server, 'close');
    },
  };
}

module.exports = { startSwitch };
