/**
 * A process of its own, because suites cannot set variables of the environment that the addon sees. Answers each message
 * `{ variables }` with what two reinits of a new runtime bring, which keeps the flow itself: `{ left, urls }`, the time that
 * the user has, in milliseconds, and what they are to open.
 */

const { createMCPRuntime } = require('../support/addon');
const { createHost } = require('../support/host');
const { openTokenStore } = require('../support/token-store');
const { delay } = require('../support/wait');

const { mongo, config, allow, user } = JSON.parse(process.argv[2]);

async function main() {
  const store = await openTokenStore(mongo);

  async function answer({ variables }) {
    Object.assign(process.env, variables);
    const runtime = createMCPRuntime(
      createHost({ servers: { srv: config }, allow, services: store.services }).services,
    );
    const reinit = () => runtime.reinitMCPServer({ user, serverName: 'srv' });
    const first = await reinit();
    const left = first.oauthExpiresAt - Date.now();
    await delay(20);
    const second = await reinit();
    await runtime.close();
    for (const name of Object.keys(variables)) delete process.env[name];
    process.send({ left, urls: [first.oauthUrl, second.oauthUrl] });
  }

  process.on('message', answer);
  process.on('disconnect', async () => {
    await store.close();
    process.exit();
  });
}

main();
