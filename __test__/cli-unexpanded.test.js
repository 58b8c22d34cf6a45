/** Variables and placeholders that stay as they are written, as `validate` and `check` warn of them. */

const { useCli } = require('./support/cli');

const { cli, withServers } = useCli();
const env = { HOST_NAME: 'db.example', HOST_PORT: '5432', EMPTY: '', CREDS_KEY: 'c'.repeat(64) };

/** Warnings of `validate`, as path and message, by line. */
async function warningsOf(server) {
  const { json } = await withServers({ srv: server }, { allowedDomains: ['db.example'] }).run(['validate', '--json'], {
    env,
  });
  return json().issues.map(
    ({ severity, path, message }) => `${severity} ${path.replace('mcpServers.srv.', '')}: ${message}`,
  );
}

const stdio = (rest) => ({ command: 'node', args: ['x'], ...rest });
const web = (rest) => ({ type: 'streamable-http', url: 'https://db.example/mcp', ...rest });
const PAIR = '${HOST_NAME}:${HOST_PORT}';
const KEPT = 'keeps ${HOST_NAME} and ${HOST_PORT} as written: what begins with ${ and ends with } is taken for one';

describe('validate', () => {
  test.each([
    ['env', stdio({ env: { ADDRESS: PAIR } }), `env.ADDRESS: ${KEPT}`],
    ['args', stdio({ args: ['x', ` ${PAIR} `] }), `args.1: ${KEPT}`],
    ['headers', web({ headers: { 'X-Host': PAIR } }), `headers.X-Host: ${KEPT}`],
    ['requestHeaders', web({ requestHeaders: { 'X-Host': PAIR } }), `requestHeaders.X-Host: ${KEPT}`],
    ['oauth', web({ oauth: { scope: PAIR } }), `oauth.scope: ${KEPT}`],
    [
      'deeper in oauth',
      web({ oauth: { client_id: 'a', private_key_jwt: { key: PAIR } } }),
      `oauth.private_key_jwt.key: ${KEPT}`,
    ],
    [
      'a default',
      stdio({ env: { A: '${HOST_NAME:-x}' } }),
      'env.A: keeps ${HOST_NAME:-x} as written: no variable is called so',
    ],
    [
      'spaces',
      stdio({ env: { A: 'a ${ HOST_NAME }!' } }),
      'env.A: keeps ${ HOST_NAME } as written: no variable is called so',
    ],
    ['an empty one', stdio({ env: { A: '<${EMPTY}>' } }), 'env.A: keeps ${EMPTY} as written: the variable is empty'],
    [
      'a secret',
      stdio({ env: { A: 'k=${CREDS_KEY}' } }),
      "env.A: keeps ${CREDS_KEY} as written: it is a secret of LibreChat's own",
    ],
    [
      'the command',
      stdio({ command: '${HOST_NAME}' }),
      'command: keeps ${HOST_NAME} as written: no variable is filled in in `command`',
    ],
    [
      'a placeholder',
      web({ headers: { A: '{{KEY}}' } }),
      'headers.A: keeps {{KEY}} as written: it is not among the customUserVars',
    ],
    [
      'a misspelt placeholder',
      web({ headers: { A: 'x {{LIBRECHAT_USER_MAIL}}' } }),
      'headers.A: keeps {{LIBRECHAT_USER_MAIL}} as written: LibreChat has no such placeholder',
    ],
    [
      'a placeholder of a user for the program itself',
      web({ proxy: 'http://{{LIBRECHAT_USER_ID}}@proxy.example' }),
      'proxy: keeps {{LIBRECHAT_USER_ID}} as written: no placeholder is filled in here',
    ],
  ])('%s', async (_, server, expected) => {
    expect(await warningsOf(server)).toContainEqual(expect.stringContaining(`warning ${expected}`));
  });

  test('nothing where all is filled in, and in texts for people', async () => {
    const customUserVars = { KEY: { title: 'Key', description: 'As in ${HOST_NAME}:${HOST_PORT}' } };
    const headers = {
      A: '${HOST_NAME}',
      B: 'x ${HOST_NAME}:${HOST_PORT}',
      C: '{{KEY}} {{LIBRECHAT_USER_ID}} {{LIBRECHAT_USER_GOOGLEID}} {{LIBRECHAT_BODY_MESSAGEID}}',
      D: 'Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}}',
    };
    expect(await warningsOf(web({ headers, customUserVars }))).toEqual([]);
  });

  test('a URL that is none for it: the error, and why, on one line', async () => {
    const servers = `mcpServers:\n  srv:\n    type: sse\n    url: "\${HOST_NAME}/\${HOST_PORT}"\n`;
    const { run } = cli({ 'librechat.yaml': servers });
    const { code, json } = await run(['validate', '--json'], { env });
    expect(code).toBe(2);
    expect(json().issues.map(({ line, severity }) => [line, severity])).toEqual([
      [4, 'error'],
      [4, 'warning'],
    ]);
    const checked = await run(['check'], { env });
    expect(checked.stdout).toMatch(/yaml:4: url: .*it keeps \$\{HOST_NAME\} and \$\{HOST_PORT\} as written/);
  });
});

test('what is filled in is what the rule of the runtime fills in', () => {
  const { unexpandedIn } = require('../cli/unexpanded');
  const fields = [
    'id',
    'name',
    'username',
    'email',
    'provider',
    'role',
    'googleId',
    'facebookId',
    'openidId',
    'samlId',
  ];
  fields.push(
    'ldapId',
    'githubId',
    'discordId',
    'appleId',
    'emailVerified',
    'twoFactorEnabled',
    'termsAccepted',
    'termsAcceptedAt',
  );
  const api = require('./support/addon');
  const headers = Object.fromEntries(fields.map((field) => [field, `{{LIBRECHAT_USER_${field.toUpperCase()}}}`]));
  const user = Object.fromEntries(fields.map((field) => [field, 'filled in']));
  expect(Object.values(api.processMCPEnv({ options: { headers }, user }).headers)).toEqual(
    fields.map(() => 'filled in'),
  );
  expect(unexpandedIn(api, { headers })).toEqual([]);
});
