/** Servers that do not work, as a new user meets them: what the command line says leads to the cause and to what mends it. */

const { createBench } = require('./broken-servers/bench');
const { SECRETS } = require('./broken-servers/secrets');
const { CHECKED, LOGINS } = require('./broken-servers/table');
const { useCertificates } = require('./support/certificates');
const { createCli } = require('./support/cli');
const { read } = require('./support/pages');

/** So many processes share the servers. */
const PROCESSES = 3;
/** For what fails by itself, on a busy machine. */
const LIMIT_S = 90;

const certificates = useCertificates();
const bench = createBench();
/** `{ ok, code, message, hint }` by server. */
const told = {};
/** All that the processes said. */
const printed = [];
let cli;

beforeAll(async () => {
  const { servers, logins } = await require('./broken-servers/oauth')(bench);
  const checked = {
    ...(await require('./broken-servers/stdio')(bench)),
    ...(await require('./broken-servers/http')(bench)),
    ...(await require('./broken-servers/tls')(bench, certificates)),
    ...servers,
  };
  const ofLogins = Object.fromEntries(Object.entries(logins).map(([name, { config }]) => [name, config]));
  cli = createCli({
    'librechat.yaml': {
      mcpServers: { ...checked, ...ofLogins },
      mcpSettings: { allowedAddresses: bench.addresses },
    },
  });
  const names = Object.keys(checked);
  const shares = Array.from({ length: PROCESSES }, (_, share) => names.filter((_, at) => at % PROCESSES === share));
  await Promise.all([...shares.map(check), ...Object.entries(logins).map(([name, how]) => login(name, how))]);
}, 300_000);

afterAll(async () => {
  cli?.close();
  await bench.close();
});

async function run(...given) {
  const result = await cli.run(...given);
  printed.push(result.stdout, result.stderr);
  return result;
}

async function check(names) {
  const { code, json } = await run(['check', '--json', '--timeout', String(LIMIT_S), ...names]);
  expect(code).toBe(1);
  for (const { name, ok, error } of json().servers) told[name] = { ok, ...error };
}

async function login(name, { browse, seconds = LIMIT_S }) {
  let browsed;
  const onStderr = (text) => {
    const [url] = /http:\S+(?=\n\n)/.exec(text) ?? [];
    if (url) browsed ??= browse(url);
  };
  const args = ['login', name, '--json', '--no-browser', '--timeout', String(seconds)];
  const { code, json } = await run(args, { onStderr });
  await browsed;
  expect(code).toBe(1);
  const { ok, error } = json();
  told[name] = { ok, ...error };
}

const ALL = Object.entries({ ...CHECKED, ...LOGINS });
const BROKEN = ALL.filter(([, expected]) => expected);
const WORKING = ALL.filter(([, expected]) => !expected);

test('every server is in the table', () => {
  expect(Object.keys(told).sort()).toEqual(ALL.map(([name]) => name).sort());
  expect(BROKEN.length).toBeGreaterThanOrEqual(34);
});

test.each(BROKEN)('%s: the cause, and what to do', (name, { code, cause, hint }) => {
  expect(told[name]).toEqual({
    ok: false,
    code,
    message: expect.stringMatching(cause),
    hint: expect.stringMatching(hint),
  });
});

test.each(WORKING)('%s works', (name) => {
  expect(told[name]).toEqual({ ok: true });
});

test('the page has a row for each', () => {
  const rows = read('docs/troubleshooting.md').matchAll(/^\| (.+?) \| .+ \| .+ \|$/gm);
  const symptoms = [...rows].map(([, symptom]) => symptom);
  const lacking = BROKEN.filter(([, { row }]) => !symptoms.some((symptom) => symptom.includes(row)));
  expect(lacking.map(([name, { row }]) => [name, row])).toEqual([]);
});

test('no secret of the configuration is told', () => {
  expect(printed.join('')).not.toMatch(new RegExp(SECRETS.join('|')));
});
