/** Runs one work with one client: `node --expose-gc child.js '{ "client", "work", "options", "parameters" }'`. */

const works = require('./works');

async function main() {
  const { client: name, work, options, parameters } = JSON.parse(process.argv[2]);
  const client = await require(`./clients/${name}`).createClient(options);
  const result = await works[work](client, parameters);
  const started = performance.now();
  await client.close();
  result.closeMs = performance.now() - started;
  // A client may leave an event stream open, which the process would wait for.
  process.stdout.write(JSON.stringify(result), () => process.exit());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
