/**
 * The small server as a process of its own, to be killed: node server-process.js HANG_ON [PORT]
 * Messages with the method HANG_ON are never answered. Tells its parent the address, and which messages arrived.
 */

const { hang, on } = require('./faults');
const { startMcpServer } = require('./mcp-server');

async function main([hangOn, port]) {
  const hangs = on(hangOn, hang());
  const fault = (exchange) => {
    if (exchange.message) process.send({ arrived: exchange.message.method });
    return hangs(exchange);
  };
  const { address } = await startMcpServer({ port: Number(port ?? 0), fault });
  process.send({ address });
}

main(process.argv.slice(2));
