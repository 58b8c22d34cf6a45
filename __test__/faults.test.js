/** Servers that misbehave: the call is bounded, nothing crashes, and the next call works. */

const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { connected, failed } = require('./support/results');
const { nothingInFlight, processGone, settlesWithin } = require('./support/wait');

/** What a faulty call gets. Those that are to work have the usual half a minute. */
const TIMEOUT = 2000;
const BOUND = 15_000;
const fixtures = useFixtures();

async function setup() {
  const server = await fixtures.server();
  const host = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
  const params = { user: createUser(), serverName: 'srv' };
  const reinit = (extra) => host.runtime.reinitMCPServer({ ...params, ...extra });
  return { ...host, server, reinit, faulty: () => reinit({ connectionTimeout: TIMEOUT }) };
}

const KINDS = [
  ['hangs', faults.hang()],
  ['answers with HTML', faults.html()],
  ['answers with garbage', faults.garbage()],
  ['answers with 20 MiB', faults.largeBody(20)],
  ['answers with status 500', faults.answer(500, 'Internal error')],
  ['drops the connection in its answer', faults.dropMidResponse()],
];

describe('while connecting', () => {
  test.each(KINDS)('a server that %s: fails, then works again', async (_, fault) => {
    const { server, reinit, faulty } = await setup();
    server.fault = faults.on('initialize', fault);
    const { value } = await settlesWithin(BOUND, faulty());
    expect(value).toEqual(failed('srv'));
    await nothingInFlight(server);

    server.fault = undefined;
    expect(await reinit()).toEqual(connected('srv'));
  });
});

describe('while listing tools', () => {
  test.each(KINDS)('a server that %s: toolsError, then works again', async (_, fault) => {
    const { server, reinit, faulty } = await setup();
    server.fault = faults.on('tools/list', fault);
    const { value } = await settlesWithin(BOUND, faulty());
    expect(value).toMatchObject({ tools: null, availableTools: null, oauthRequired: false });
    expect(value).toHaveProperty(value.success ? 'toolsError' : 'error');

    server.fault = undefined;
    expect(await reinit()).toEqual(connected('srv'));
  });
});

describe('a server that is killed', () => {
  test.each(['initialize', 'tools/list'])('during %s: the call ends, and works with its successor', async (hangOn) => {
    const doomed = await fixtures.killable({ hangOn });
    const { runtime } = fixtures.runtime({ servers: { srv: doomed.config({ startup: false }) }, allow: [doomed] });
    const params = { user: createUser(), serverName: 'srv' };
    // It tries again where nobody listens any more.
    const call = runtime.reinitMCPServer({ ...params, connectionTimeout: 5000 });
    await doomed.arrival(hangOn);
    await doomed.close();
    const { value } = await settlesWithin(BOUND, call);
    expect(value.tools).toBeNull();

    await fixtures.killable({ port: doomed.port });
    expect(await runtime.reinitMCPServer(params)).toEqual(connected('srv'));
  });

  test('over stdio, between two calls: the second starts another', async () => {
    const stdio = fixtures.stdio();
    const { runtime } = fixtures.runtime({ servers: { srv: stdio.config({ startup: false }) } });
    const params = { user: createUser(), serverName: 'srv' };
    expect(await runtime.reinitMCPServer(params)).toEqual(connected('srv'));
    const [first] = stdio.pids();
    process.kill(first, 'SIGKILL');
    await processGone(first);
    expect(await runtime.reinitMCPServer(params)).toEqual(connected('srv'));
    expect(stdio.pids()).toHaveLength(2);
  });
});
