/** The command line tool beside what else is in a folder and a shell, and beside LibreChat. */

const { mkdirSync } = require('node:fs');
const { join } = require('node:path');
const { BINARY, useCli } = require('./support/cli');
const { everythingOverStdio } = require('./support/everything');

const { fixtures, withServers } = useCli();

test('a server that gets the token of the user’s login', async () => {
  const fault = ({ response }) => response.writeHead(401).end('no');
  const server = await fixtures.server({ fault });
  const headers = { Authorization: 'Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}' };
  const { run } = withServers(
    { srv: { type: 'streamable-http', url: server.url, headers } },
    { allowedAddresses: [server.address] },
  );
  const { code, stdout } = await run(['check']);
  expect(code).toBe(1);
  expect(stdout).toContain("The server gets the token of the user's login, which only LibreChat has.");
});

test('a server is no folder of the same name', async () => {
  const { run, folder } = withServers({ search: { command: '/nonexistent/command', args: [] } });
  mkdirSync(join(folder, 'search'));
  const { stdout } = await run(['check', 'search']);
  expect(stdout).toContain('0 of 1 servers work');
});

test('a reader that has had enough', async () => {
  const { execute } = withServers({ local: everythingOverStdio() });
  const command = `"${process.execPath}" "${BINARY}" tools local | head -n 1`;
  expect(await execute('sh', ['-c', command])).toMatchObject({ stdout: 'echo\n', stderr: '' });
});

test('validate: headers of single requests, where there are none', async () => {
  const requestHeaders = { 'X-Chat': 'a' };
  const { run } = withServers({
    local: { ...everythingOverStdio(), requestHeaders },
    socket: { type: 'websocket', url: 'wss://192.0.2.1/mcp', requestHeaders },
  });
  const { code, stdout } = await run(['validate']);
  expect(code).toBe(2);
  for (const [name, transport] of [
    ['local', 'stdio'],
    ['socket', 'websocket'],
  ])
    expect(stdout).toContain(
      `mcpServers.${name}.requestHeaders: requests over ${transport} have no headers of their own`,
    );
});
