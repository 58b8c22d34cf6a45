/** Workload identity (SEP-1933): the platform says what this program is, and servers get a token for it. */

const { mkdtempSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');
const { startProtectedServer } = require('./support/protected-server');
const { recordError } = require('./support/secrets');
const {
  JWT_BEARER,
  assertionFor,
  startMetadataService,
  startWorkloadAuthorizationServer,
} = require('./support/workload');

const fixtures = useFixtures();
const provider = 'openai';

/** A file that the platform replaces as a whole, as Kubernetes does. */
function tokenFile() {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-workload-'));
  fixtures.keep({ close: () => rmSync(folder, { recursive: true }) });
  const path = join(folder, 'token');
  const write = (text) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  return { path, write };
}

/**
 * A protected server whose config has `grant: workload`, with the members that `oauth(authorizationServer)` adds.
 *
 * @param options.allow     further addresses that may be reached
 * @param options.services  of the host
 */
async function setup({ oauth, allow = [], services, ...options } = {}) {
  const as = fixtures.keep(await startWorkloadAuthorizationServer(options));
  const server = fixtures.keep(await startProtectedServer(as));
  const config = server.config({ requiresOAuth: false, oauth: { grant: 'workload', ...oauth?.(as) } });
  const host = fixtures.runtime({ servers: { srv: config }, allow: [server, as, ...allow], services: services?.(as) });
  const call = (text, user = createUser()) =>
    host.runtime.manager.callTool({ user, serverName: 'srv', toolName: 'echo', toolArguments: { text }, provider });
  const failure = async (text) => {
    const error = await call(text).then(
      () => undefined,
      (thrown) => thrown,
    );
    recordError(error);
    return error;
  };
  return { ...host, as, server, call, failure };
}

describe('an assertion from a file', () => {
  async function withFile(options) {
    const file = tokenFile();
    const world = await setup({ ...options, oauth: () => ({ assertion: { file: file.path }, ...options?.oauth }) });
    return { file, ...world };
  }

  test('fifty users at once: one request, of this program and no user', async () => {
    const { file, as, server, call } = await withFile({ oauth: { client_id: 'program', scope: 'mcp' } });
    const assertion = as.assertion();
    file.write(`${assertion}\n`);
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => call(`text ${index}`)));
    answers.forEach((answer, index) => {
      expect(JSON.stringify(answer)).toContain(`text ${index}`);
    });
    expect(as.forms()).toEqual([
      { grant_type: JWT_BEARER, assertion, client_id: 'program', scope: 'mcp', resource: server.url },
    ]);
  });

  test('is read again for each token', async () => {
    const { file, as, server, call } = await withFile();
    const assertions = [as.assertion(), as.assertion()];
    file.write(assertions[0]);
    await call('one');
    file.write(assertions[1]);
    server.refused.add(as.tokens()[0]);
    await call('two');
    expect(as.forms().map(({ assertion }) => assertion)).toEqual(assertions);
  });

  test('that was replaced while it was refused is read once more', async () => {
    const { file, as, call } = await withFile();
    const [old, fresh] = [as.assertion(-60), as.assertion()];
    file.write(old);
    as.answer = () => {
      file.write(fresh);
      as.answer = undefined;
      return { error: 'invalid_grant', error_description: 'expired' };
    };
    await call('one');
    expect(as.forms().map(({ assertion }) => assertion)).toEqual([old, fresh]);
  });

  test.each([
    ['has expired', (as) => as.assertion(-60), /invalid_grant.*token has expired \d+ s ago/],
    [
      'that the provider does not know',
      (as) => `${as.assertion().slice(0, -8)}AAAAAAAA`,
      /invalid_grant: The assertion is not taken/,
    ],
  ])('that %s is sent once, and the error says which it was', async (_, make, expected) => {
    const { file, as, failure } = await withFile();
    file.write(make(as));
    const { code, message } = await failure('one');
    expect(code).toBe('MCP_GRANT_FAILED');
    expect(message).toMatch(expected);
    expect(message).toContain(file.path);
    expect(as.forms()).toHaveLength(1);
  });

  test.each([
    [{ error: 'invalid_scope', error_description: 'no such scope' }, /invalid_scope: no such scope/],
    [{ error: 'unauthorized_client' }, /unauthorized_client/],
  ])('%j is told, and nothing else is tried', async (refusal, expected) => {
    const { file, as, failure } = await withFile();
    file.write(as.assertion());
    as.answer = () => refusal;
    expect((await failure('one')).message).toMatch(expected);
    expect(as.forms()).toHaveLength(1);
  });

  test.each([
    ['no JWT', 'root:hunter2:0:0', /no JWT/],
    ['nothing', '', /no JWT/],
  ])('%s: nothing is sent', async (_, text, expected) => {
    const { file, as, failure } = await withFile();
    file.write(text);
    const { code, message } = await failure('one');
    expect({ code, message }).toEqual({
      code: 'MCP_GRANT_FAILED',
      message: expect.stringMatching(expected),
    });
    expect(message).not.toContain('hunter2');
    expect(as.forms()).toEqual([]);
  });

  test('that is not there', async () => {
    const { file, as, failure } = await withFile();
    expect((await failure('one')).message).toContain(`\`oauth.assertion.file\` (${file.path}) cannot be read`);
    expect(as.forms()).toEqual([]);
  });

  test('that was written where its file belongs is not told', async () => {
    const token = assertionFor('https://other.test');
    const { as, failure } = await setup({ oauth: ({ issuer }) => ({ issuer, assertion: { file: token } }) });
    const { message } = await failure('one');
    expect(message).toContain('MCP server "srv": ');
    expect(message).toContain('`oauth.assertion.file` holds a JWT where the path of a file belongs');
    expect(message).not.toContain(token.split('.')[1]);
    expect(as.forms()).toEqual([]);
  });

  test('for another authorization server than the one that a server names stays here', async () => {
    const { file, as, failure } = await withFile();
    file.write(assertionFor('https://other.test'));
    const { code, message } = await failure('one');
    expect(code).toBe('MCP_GRANT_FAILED');
    expect(message).toContain('oauth.issuer');
    expect(as.forms()).toEqual([]);
  });

  test('for whatever the operator’s authorization server wants', async () => {
    const file = tokenFile();
    const { as, failure } = await setup({ oauth: ({ issuer }) => ({ issuer, assertion: { file: file.path } }) });
    const assertion = assertionFor('api://exchange');
    file.write(assertion);
    // The operator has named it, and it has the last word.
    expect((await failure('one')).message).toMatch(/not taken.*is for "api:\/\/exchange"/);
    expect(as.forms()).toEqual([expect.objectContaining({ assertion })]);
  });
});

describe('an assertion of the host', () => {
  test('is asked for with the server’s name, and for the authorization server', async () => {
    const asked = [];
    const { as, call } = await setup({
      services: (it) => ({
        getWorkloadAssertion: async (params) => {
          asked.push(params);
          return it.assertion();
        },
      }),
    });
    await Promise.all([call('one'), call('two')]);
    expect(asked).toEqual([{ serverName: 'srv', issuer: as.issuer, audience: as.issuer }]);
  });

  test.each([
    ['throws', () => Promise.reject(new Error('the platform is away')), 'MCP_HOST_ERROR'],
    ['answers no text', () => ({ token: 1 }), 'MCP_HOST_ERROR'],
    ['is absent', undefined, 'MCP_INVALID_CONFIG'],
  ])('a function that %s', async (_, getWorkloadAssertion, expected) => {
    const { as, failure } = await setup({ services: () => ({ getWorkloadAssertion }) });
    expect((await failure('one')).code).toBe(expected);
    expect(as.forms()).toEqual([]);
  });
});

describe('an assertion of the metadata service', () => {
  /** A service that answers as the platform does, and a server whose config names it. */
  async function withService(answer, { isAllowed = true, headers } = {}) {
    let as;
    const service = fixtures.keep(await startMetadataService(() => answer(as)));
    const metadata = { metadata_url: `http://${service.address}/identity?audience=mcp`, metadata_headers: headers };
    const world = await setup({ allow: isAllowed ? [service] : [], oauth: () => ({ assertion: metadata }) });
    as = world.as;
    return { service, ...world };
  }

  test.each([
    ['Google', { 'Metadata-Flavor': 'Google' }, (assertion) => `${assertion}\n`],
    ['Azure', { Metadata: 'true' }, (assertion) => ({ access_token: assertion, expires_in: '600' })],
  ])('as %s answers it, with the headers that it wants', async (_, headers, shape) => {
    const { service, as, call } = await withService((it) => ({ body: shape(it.assertion()) }), { headers });
    await call('one');
    expect(as.forms()).toHaveLength(1);
    const [[name, value]] = Object.entries(headers);
    expect(service.requests).toEqual([
      expect.objectContaining({
        method: 'GET',
        path: '/identity?audience=mcp',
        headers: expect.objectContaining({ [name.toLowerCase()]: value }),
      }),
    ]);
  });

  test('an address that the operator has not opened is not asked', async () => {
    const { service, failure } = await withService((it) => ({ body: it.assertion() }), { isAllowed: false });
    const { code, message } = await failure('one');
    expect(code).toBe('MCP_ADDRESS_NOT_ALLOWED');
    expect(message).toContain('metadata service');
    expect(service.requests).toEqual([]);
  });

  test('a redirect is not followed', async () => {
    const elsewhere = fixtures.keep(await startMetadataService(() => ({ body: {} })));
    const location = `http://${elsewhere.address}/`;
    const { as, failure } = await withService(() => ({ status: 307, headers: { location }, body: '' }));
    expect((await failure('one')).message).toContain('answered 307');
    expect([elsewhere.requests, as.forms()]).toEqual([[], []]);
  });

  test('what it refuses is told, without what was sent to it', async () => {
    const body = { error: 'invalid_request', error_description: 'Identity not found for key-of-metadata' };
    const headers = { 'X-Identity-Header': 'key-of-metadata' };
    const { as, failure } = await withService(() => ({ status: 400, body }), { headers });
    const { code, message } = await failure('one');
    expect(code).toBe('MCP_GRANT_FAILED');
    expect(message).toContain('answered 400: invalid_request: Identity not found for ***');
    expect(as.forms()).toEqual([]);
  });
});

describe('what is known of the token', () => {
  test('is told, and the token is not; it is the one that calls send', async () => {
    const { as, runtime, call } = await setup({
      oauth: () => ({ scope: 'mcp' }),
      services: (it) => ({ getWorkloadAssertion: () => it.assertion() }),
    });
    const { expiresIn, ...known } = await runtime.describeMachineToken('srv');
    expect(known).toEqual({ issuer: as.issuer, tokenEndpoint: `${as.issuer}/token`, scope: 'mcp' });
    expect(expiresIn > 0 && expiresIn <= 3600).toBe(true);
    await call('one');
    expect(as.forms()).toHaveLength(1);
  });

  test('of other servers there is none', async () => {
    const server = await fixtures.server();
    const { runtime } = fixtures.runtime({ servers: { srv: server.config() }, allow: [server] });
    await expect(runtime.describeMachineToken('srv')).rejects.toMatchObject({ code: 'MCP_INVALID_ARGUMENT' });
    await expect(runtime.explainEnterpriseToken(createUser(), 'srv')).rejects.toMatchObject({
      code: 'MCP_INVALID_ARGUMENT',
    });
    const wrong = { name: 'TypeError', message: expect.stringContaining('serverName must be a string') };
    await expect(runtime.describeMachineToken()).rejects.toMatchObject(wrong);
    await expect(runtime.explainEnterpriseToken(createUser())).rejects.toMatchObject(wrong);
  });
});
