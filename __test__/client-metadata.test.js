/** The example as a client that nobody registered: a real authorization server fetches its document, over https. */

const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const https = require('node:https');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { startApp, startServers } = require('../examples/librechat/servers');
const { signIn } = require('./support/authorization-server');
const { ADDON, clientOf, examplePorts } = require('./support/example');
const { createUserDatabase } = require('./support/user-database');

const PATH = '/oauth/client-metadata.json';
const folder = mkdtempSync(join(tmpdir(), 'client-metadata-'));
const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
const opened = [];
let front;
let servers;
let app;
let user;

/** What a deployment has in front of LibreChat: TLS. */
async function startFront() {
  const requests = [];
  const options = { key: readFileSync(key), cert: readFileSync(certificate) };
  const listener = https.createServer(options, async (request, response) => {
    requests.push(request.url);
    const answer = await fetch(new URL(request.url, app.url));
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') });
    response.end(await answer.text());
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const close = () => {
    listener.closeAllConnections();
    return new Promise((resolve) => listener.close(resolve));
  };
  return { url: `https://127.0.0.1:${listener.address().port}${PATH}`, requests, close };
}

beforeAll(async () => {
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const names = ['-subj', '/CN=example', '-addext', 'subjectAltName=IP:127.0.0.1'];
  execFileSync('openssl', [...request, ...names, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  // The authorization server is a process that trusts it.
  process.env.NODE_EXTRA_CA_CERTS = certificate;
  opened.push({ close: () => rmSync(folder, { recursive: true }) });
  front = await startFront();
  opened.push(front);
  servers = await startServers(await examplePorts());
  opened.push(servers);
  const environment = { ...servers.environment, ...ADDON, CLIENT_METADATA_URL: front.url };
  app = await startApp(2, environment);
  opened.push(app);
  user = clientOf(app, 'USER');
}, 300_000);

afterAll(async () => {
  for (const thing of opened.reverse()) await thing.close();
});

const authorizationUrl = async () => (await user.post('/api/mcp/protected/reinitialize')).body.oauthUrl;

test('the document names itself, and the callbacks of its servers alone', async () => {
  const { environment } = servers;
  expect(await (await fetch(`${environment.DOMAIN_SERVER}${PATH}`)).json()).toEqual({
    client_id: front.url,
    client_name: 'LibreChat',
    client_uri: new URL(front.url).origin,
    redirect_uris: [`${environment.DOMAIN_SERVER}/api/mcp/protected/oauth/callback`],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  });
});

test('a user signs in with it, and the tokens are refreshed', async () => {
  const url = await authorizationUrl();
  expect(new URL(url).searchParams.get('client_id')).toBe(front.url);
  const parameters = await signIn(new URL(url).origin, url, servers.account);
  expect(front.requests).toEqual([PATH]);
  const callback = await user.get(`/api/mcp/protected/oauth/callback?${parameters}`, { anonymous: true });
  expect(callback.location).toBe('/oauth/success?serverName=protected');
  const whoAmI = async () => (await user.post('/api/agents/tools/whoami_mcp_protected', { json: {} })).body.content;
  expect(await whoAmI()).toBe('You are alice');

  const database = await createUserDatabase(servers.environment);
  opened.push(database);
  const before = await database.credentialSet(user.id);
  await database.expire(user.id);
  expect((await user.post('/api/mcp/protected/reinitialize')).body).toMatchObject({ oauthRequired: false });
  expect(await whoAmI()).toBe('You are alice');
  expect(await database.credentialSet(user.id)).not.toBe(before);
  await database.forget(user.id);
});

test('the authorization server sends nobody to a callback that the document does not list', async () => {
  const url = new URL(await authorizationUrl());
  url.searchParams.set('redirect_uri', `${servers.environment.DOMAIN_SERVER}/api/mcp/other/oauth/callback`);
  const answer = await fetch(url, { redirect: 'manual' });
  expect(answer.status).toBe(400);
  expect(await answer.text()).toContain('invalid_redirect_uri');
});
