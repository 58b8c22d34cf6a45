/** Reinitializes a server in a process of its own; prints the URL to open, then the result, and where the store is a Redis, what is logged. */

const { once } = require('node:events');
const { createMCPRuntime } = require('../support/addon');
const { hidePackages } = require('../support/hidden');

const {
  config,
  home,
  credentialsKey,
  redis,
  without = [],
  isLeftOpen = false,
  returnOnOAuth = false,
  connectionTimeout,
  stay = false,
} = JSON.parse(process.argv[2]);

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const logger = { debug: () => {}, info: console.error, warn: console.error, error: console.error };

async function main() {
  // The store is looked for in the home of the user.
  process.env.HOME = home;
  delete process.env.XDG_DATA_HOME;
  hidePackages(without);
  const runtime = createMCPRuntime({ config, credentialsKey, redis, logger: redis && logger });
  let asked = false;
  const { tools, availableTools, ...result } = await runtime.reinitMCPServer({
    user: { id: 'embedded-user' },
    serverName: 'srv',
    returnOnOAuth,
    connectionTimeout,
    oauthStart: (url) => {
      asked = true;
      print({ url });
    },
  });
  if (stay) await once(process.stdin.resume(), 'end');
  if (!isLeftOpen) await runtime.close();
  print({ result: { ...result, asked } });
}

main();
