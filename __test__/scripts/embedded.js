/** Sets environment variables after the runtime was made, then connects. */

const { createMCPRuntime } = require('../support/addon');

const { url, address } = JSON.parse(process.argv[2]);
const srv = { type: 'http', url: '${EMBEDDED_URL}', headers: { 'X-Key': '${EMBEDDED_KEY}' } };

async function main() {
  const config = { mcpServers: { srv }, mcpSettings: { allowedAddresses: [address] } };
  const runtime = createMCPRuntime({ config });
  Object.assign(process.env, { EMBEDDED_URL: url, EMBEDDED_KEY: 'set-later' });
  const { success } = await runtime.reinitMCPServer({ user: { id: 'embedded' }, serverName: 'srv' });
  process.stdout.write(String(success));
  await runtime.close();
}

main();
