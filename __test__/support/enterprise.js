const { generateKeyPairSync, randomUUID } = require('node:crypto');
const http = require('node:http');
const { useFixtures } = require('./fixtures');
const { createUser } = require('./host');
const { openJwt, signJwt } = require('./jwt');
const { startProtectedServer } = require('./protected-server');
const { registerSecrets } = require('./secrets');
const { delay } = require('./wait');

const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const seconds = () => Math.floor(Date.now() / 1000);

/** A form, and the client that sent it with HTTP Basic, in the form, or with an assertion. */
async function readForm(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const form = Object.fromEntries(new URLSearchParams(body));
  const basic = /^Basic (.+)$/.exec(request.headers.authorization)?.[1];
  const [id, secret] = basic ? Buffer.from(basic, 'base64').toString('utf8').split(':') : [];
  registerSecrets(basic, form.client_secret, form.client_assertion, form.assertion, form.subject_token);
  const client = { id: id ?? form.client_id, secret: secret ?? form.client_secret, assertion: form.client_assertion };
  return { form, client };
}

/** Whether a client is the known one: it has the secret or, where the known one has a key, an assertion for the party. */
function isClient(known, { id, secret, assertion }, issuer) {
  if (id !== known.id || !known.key) return id === known.id && secret === known.secret && !assertion;
  const claims = openJwt(known.key, assertion)?.claims;
  return claims?.iss === id && claims.sub === id && claims.aud === issuer;
}

/**
 * An HTTP server of a party to an exchange.
 *
 * @param documents  what is published: a path, and a function that makes the document
 * @param respond    `({ form, client }) => { status?, headers?, ...members }` of the token endpoint
 */
async function startParty(documents, respond) {
  const requests = [];
  const listener = http.createServer(async (request, response) => {
    const document = documents[request.url];
    if (document) return response.setHeader('content-type', 'application/json').end(JSON.stringify(document()));
    if (request.method !== 'POST') return response.writeHead(404).end();
    const asked = { path: request.url, headers: request.headers, ...(await readForm(request)) };
    requests.push(asked);
    const { status, headers, ...members } = await respond(asked);
    registerSecrets(members.access_token);
    const code = status ?? (members.error ? 400 : 200);
    response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers });
    return response.end(JSON.stringify(members));
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${listener.address().port}`;
  return {
    address,
    issuer: `http://${address}`,
    tokenUrl: `http://${address}/token`,
    requests,
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

/**
 * An identity provider with the shapes of Okta's: ID tokens for its own client, which it exchanges for ID-JAGs.
 *
 * @returns `{ issuer, tokenUrl, requests, client, key, idToken, close }`; `answer`, where it is set, replaces members of
 *   its answers: `(asked) => members`
 */
async function startEnterpriseProvider() {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const client = { id: 'librechat-at-the-idp', secret: randomUUID() };
  registerSecrets(client.secret);
  const exchange = ({ form, client: sender }) => {
    if (!isClient(client, sender, provider.issuer)) return { status: 401, error: 'invalid_client' };
    if (form.grant_type !== TOKEN_EXCHANGE) return { error: 'unsupported_grant_type' };
    const isWanted = form.subject_token_type === ID_TOKEN && form.requested_token_type === ID_JAG;
    if (!isWanted || !form.audience || !form.resource) return { error: 'invalid_request' };
    const subject = openJwt(key, form.subject_token)?.claims;
    if (subject?.aud !== client.id) {
      return { error: 'invalid_grant', error_description: `The token ${form.subject_token} is not valid` };
    }
    const { resource, audience: aud, scope } = form;
    const claims = { iss: provider.issuer, sub: subject.sub, aud, resource, scope, client_id: 'librechat-at-the-as' };
    const times = { jti: randomUUID(), iat: seconds(), exp: seconds() + 300 };
    const idJag = signJwt(key, { ...claims, ...times }, { typ: 'oauth-id-jag+jwt' });
    return { issued_token_type: ID_JAG, access_token: idJag, token_type: 'N_A', scope, expires_in: 300 };
  };
  const documents = {
    '/.well-known/openid-configuration': () => ({
      issuer: provider.issuer,
      authorization_endpoint: `${provider.issuer}/authorize`,
      token_endpoint: provider.tokenUrl,
      grant_types_supported: [TOKEN_EXCHANGE],
    }),
  };
  const party = await startParty(documents, async (asked) => ({
    ...exchange(asked),
    ...(await provider.answer?.(asked)),
  }));
  const provider = Object.assign(party, {
    client,
    key,
    /** The ID token of a login; `lifetime` in seconds. */
    idToken: (sub, lifetime = 3600) => {
      const claims = { iss: party.issuer, sub, aud: client.id, iat: seconds(), exp: seconds() + lifetime };
      const token = signJwt(key, { ...claims, jti: randomUUID() });
      registerSecrets(token);
      return token;
    },
  });
  return provider;
}

/** The authorization server of an MCP server, which takes the ID-JAGs of one identity provider. */
async function startServersProvider(identityProvider, { lifetime = 3600, delayMs = 0, isPublic = false } = {}) {
  const client = { id: 'librechat-at-the-as', secret: isPublic ? undefined : randomUUID() };
  registerSecrets(client.secret);
  const tokens = new Map();
  const grant = ({ form, client: sender }) => {
    if (!isClient(client, sender, server.issuer)) return { status: 401, error: 'invalid_client' };
    if (form.grant_type !== JWT_BEARER) return { error: 'unsupported_grant_type' };
    const { header, claims } = openJwt(identityProvider.key, form.assertion) ?? {};
    const isIdJag = header?.typ === 'oauth-id-jag+jwt' && claims.iss === identityProvider.issuer;
    if (!isIdJag || claims.aud !== server.issuer || claims.client_id !== client.id) return { error: 'invalid_grant' };
    const token = `for-${claims.sub}-${randomUUID()}`;
    tokens.set(token, { active: true, aud: claims.resource, sub: claims.sub });
    return { token_type: 'Bearer', access_token: token, expires_in: server.lifetime, scope: claims.scope };
  };
  const documents = {
    '/.well-known/oauth-authorization-server': () => ({
      issuer: server.issuer,
      authorization_endpoint: `${server.issuer}/authorize`,
      token_endpoint: server.tokenUrl,
      token_endpoint_auth_methods_supported: ['client_secret_basic'],
      grant_types_supported: [JWT_BEARER],
      ...server.metadata,
    }),
  };
  const party = await startParty(documents, async (asked) => {
    await delay(delayMs);
    return { ...grant(asked), ...(await server.answer?.(asked)) };
  });
  const server = Object.assign(party, {
    client,
    lifetime,
    scopes: ['mcp'],
    introspect: async (token) => tokens.get(token) ?? { active: false },
  });
  return server;
}

/**
 * An MCP server called `srv` behind both, for a suite. `setup({ oauth, config, services, … })` resolves to the parties,
 * the host, `user(sub)` and `call({ user, … })`; `another()` is one more process of the same host.
 */
function useEnterprise() {
  const fixtures = useFixtures();

  async function setup({ oauth, config, services, allow = [], ...options } = {}) {
    const idp = fixtures.keep(await startEnterpriseProvider());
    const as = fixtures.keep(await startServersProvider(idp, options));
    /** What the MCP server says of its authorization server. */
    const announced = { ...as };
    const server = fixtures.keep(await startProtectedServer(announced));
    const serverConfig = server.config({
      requiresOAuth: undefined,
      oauth: {
        grant: 'enterprise',
        issuer: as.issuer,
        client_id: as.client.id,
        client_secret: as.client.secret,
        scope: 'mcp',
        identity_provider: { issuer: idp.issuer, client_id: idp.client.id, client_secret: idp.client.secret },
        ...oauth?.({ idp, as }),
      },
      ...config,
    });
    const runtime = () =>
      fixtures.runtime({
        servers: { srv: serverConfig },
        allow: [server, as, ...allow],
        services: services?.({ idp }),
      });
    const host = runtime();
    const call = (params) =>
      host.runtime.manager.callTool({
        serverName: 'srv',
        toolName: 'echo',
        toolArguments: { text: 'hi' },
        provider: 'openai',
        ...params,
      });
    /** A user who is signed in at the identity provider. */
    const user = (sub, idToken = idp.idToken(sub)) => {
      const federatedTokens = { access_token: `access-of-${sub}`, id_token: idToken, expires_at: seconds() + 3600 };
      return { ...createUser({ provider: 'openid', federatedTokens }), openidId: sub };
    };
    /** Of each tool call: the text that was sent, and whose token came with it. */
    const calls = () =>
      server.received('tools/call').map(({ headers, message }) => {
        const sub = /^Bearer for-(.+)-[0-9a-f]{8}-/.exec(headers.authorization)?.[1];
        return [message.params.arguments.text, sub];
      });
    return { ...host, another: runtime, serverConfig, idp, as, announced, server, call, user, calls };
  }

  return { fixtures, setup };
}

module.exports = {
  ID_JAG,
  JWT_BEARER,
  seconds,
  startEnterpriseProvider,
  startParty,
  startServersProvider,
  useEnterprise,
};
