/** What keeps a process alive, what `close()` ends, and what becomes of child processes. */

const { createMCPRuntime } = require('./support/addon');
const faults = require('./support/faults');
const { useFixtures } = require('./support/fixtures');
const { collectGarbage } = require('./support/garbage');
const { createHost, createUser } = require('./support/host');
const { connected } = require('./support/results');
const { runScript, startScript } = require('./support/script');
const { delay, isAlive, noOpenSockets, processGone, settlesWithin, until } = require('./support/wait');

const fixtures = useFixtures();

async function overHttp(serverOptions) {
  const server = await fixtures.server(serverOptions);
  const host = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
  const reinit = (extra) => host.runtime.reinitMCPServer({ user: createUser(), serverName: 'srv', ...extra });
  return { ...host, server, reinit };
}

describe('a process', () => {
  test('ends by itself with an HTTP connection open', async () => {
    const server = await fixtures.server();
    const { code, output } = await runScript('leave-open.js', { config: server.config(), allow: [server.address] });
    expect(output.trim()).toBe('success: true');
    expect(code).toBe(0);
  });

  test('ends by itself with a stdio connection open, and takes the child with it', async () => {
    const stdio = fixtures.stdio();
    const { code, output } = await runScript('leave-open.js', { config: stdio.config() });
    expect(output.trim()).toBe('success: true');
    expect(code).toBe(0);
    for (const pid of stdio.pids()) await processGone(pid);
    expect(stdio.pids()).toHaveLength(1);
  });

  test('stays while a promise of the runtime is pending', async () => {
    const server = await fixtures.server({ listDelayMs: 700 });
    const { code, output } = await runScript('only-a-promise.js', { config: server.config(), allow: [server.address] });
    expect(output.trim()).toBe('success: true');
    expect(code).toBe(0);
  });

  test('process.exit() leaves no child behind and keeps its exit code', async () => {
    const stdio = fixtures.stdio();
    const { code } = await runScript('stay.js', { config: stdio.config(), exit: true });
    expect(code).toBe(7);
    for (const pid of stdio.pids()) await processGone(pid);
    expect(stdio.pids()).toHaveLength(1);
  });

  test.each(['SIGTERM', 'SIGKILL'])('%s leaves no child behind', async (signal) => {
    const stdio = fixtures.stdio();
    const script = startScript('stay.js', { config: stdio.config() });
    await until('connection of the script', () => script.output().includes('success: true'));
    script.child.kill(signal);
    await script.ended;
    for (const pid of stdio.pids()) await processGone(pid);
    expect(stdio.pids()).toHaveLength(1);
  });
});

describe('close()', () => {
  test('ends the session and every socket, and may be called again', async () => {
    const { server, runtime, reinit } = await overHttp();
    await reinit();
    await Promise.all([runtime.close(), runtime.close()]);
    await runtime.close();
    expect(server.sessions.size).toBe(0);
    await noOpenSockets(server);
  });

  test('of a runtime that was never used', async () => {
    const { runtime } = await overHttp();
    await runtime.close();
  });

  test('resolves once the child process is gone', async () => {
    const stdio = fixtures.stdio();
    const { runtime } = fixtures.runtime({ servers: { srv: stdio.config() } });
    expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toEqual(connected('srv'));
    const [pid] = stdio.pids();
    await runtime.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test('ends a call in flight with success: false', async () => {
    const { server, runtime, reinit } = await overHttp({ fault: faults.on('tools/list', faults.hang()) });
    const call = reinit();
    await server.arrival('tools/list');
    await settlesWithin(10_000, runtime.close());
    const { value } = await settlesWithin(10_000, call);
    expect(value.success).toBe(false);
    await noOpenSockets(server);
  });

  test('afterwards every call rejects with MCP_CLOSED', async () => {
    const { server, runtime, reinit } = await overHttp();
    await runtime.close();
    await expect(reinit()).rejects.toMatchObject({ code: 'MCP_CLOSED' });
    expect(server.requests).toEqual([]);
  });

  test('closes one runtime and leaves another alone', async () => {
    const first = await overHttp();
    const second = await overHttp();
    await first.reinit();
    await first.runtime.close();
    expect(await second.reinit()).toEqual(connected('srv'));
  });
});

test('a runtime that nobody has any more ends with what it shares among users', async () => {
  const stdio = fixtures.stdio();
  const connect = async () => {
    const { services } = createHost({ servers: { srv: stdio.config() } });
    const runtime = createMCPRuntime(services);
    expect(await runtime.reinitMCPServer({ user: createUser(), serverName: 'srv' })).toEqual(connected('srv'));
  };
  await connect();
  const [pid] = stdio.pids();
  await until('the end of the child process', () => {
    collectGarbage();
    return !isAlive(pid);
  });
});

test('an idle connection sends nothing', async () => {
  const { server, reinit } = await overHttp();
  await reinit();
  const before = server.requests.length;
  await delay(500);
  expect(server.requests.length - before).toBeLessThanOrEqual(1);
});
