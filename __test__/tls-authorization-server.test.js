/** A server's own TLS at its authorization server. */

const net = require('node:net');
const tls = require('node:tls');
const { useAuthorization } = require('./support/authorization');
const { tlsOptions } = require('./support/certificates');
const { useEnvironment } = require('./support/environment');
const { createUser } = require('./support/host');
const { useTlsServers } = require('./support/tls-servers');

const suite = useAuthorization();
const { fixtures } = suite;
const { ALICE, TRUSTING, authority, clients, clientsOf, ofServer, start } = useTlsServers(fixtures);
const user = createUser();

/** TLS with a client certificate in front of a plain server; tells whose certificates it saw. */
async function terminator(target, options) {
  const seen = [];
  const listener = tls.createServer(options, (socket) => {
    seen.push(socket.getPeerCertificate().subject?.CN);
    const [host, port] = target.split(':');
    const inner = net.connect(Number(port), host);
    for (const side of [socket, inner]) side.on('error', () => {});
    inner.on('close', () => socket.destroy());
    socket.pipe(inner).pipe(socket);
    sockets.add(socket);
  });
  const sockets = new Set();
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  fixtures.keep({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => listener.close(resolve));
    },
  });
  return { seen, address: `localhost:${listener.address().port}` };
}

const REDIRECT = 'http://localhost:3080/api/mcp/srv/oauth/callback';

/** A client of the real authorization server whose token endpoint wants a client certificate. */
async function host(own, certificate = ofServer) {
  const { address, issuer } = suite.authorizationServer;
  const front = await terminator(address, tlsOptions(certificate, { clients: clients.ca }));
  const members = {
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${issuer}/reg`, { method: 'POST', headers, body: JSON.stringify(members) });
  const { client_id } = await answer.json();
  const oauth = {
    client_id,
    authorization_url: `${issuer}/auth`,
    token_url: `https://${front.address}/token`,
    scope: 'mcp',
  };
  const host = await suite.host({ config: { oauth, tls: own } });
  host.registry.allowedAddresses.push(front.address);
  return { ...host, front };
}

test('at the endpoint that the config names is authenticated with the certificate, in the callback too', async () => {
  const { front, authorize, runtime } = await host(ALICE);
  const { tokens, clientInfo } = await authorize();
  expect(tokens.access_token).toEqual(expect.any(String));
  expect(front.seen).toEqual(['alice']);

  const known = { clientId: clientInfo.client_id, revocationEndpoint: `https://${front.address}/token/revocation` };
  const addresses = [null, [front.address]];
  await runtime.oauth.revokeOAuthToken('srv', tokens.access_token, 'access', known, {}, ...addresses);
  expect(new Set(front.seen)).toEqual(new Set(['alice']));
  expect(await suite.authorizationServer.introspect(tokens.access_token)).toEqual({ active: false });
});

test('without it is told in words', async () => {
  const { authorize } = await host(TRUSTING);
  await expect(authorize()).rejects.toThrow(/want.*client certificate/);
});

test('with the certificate of another host: no `serverName` helps', async () => {
  const { authorize } = await host(ALICE, authority.issue('another', { host: 'DNS:a.test' }));
  const error = await authorize().catch((error) => error);
  expect(error.message).toMatch(/is for a\.test, and not for localhost/);
  expect(error.message).not.toContain('serverName');
});

describe('that all servers may have', () => {
  useEnvironment({ NODE_EXTRA_CA_CERTS: authority.ca });

  test('that a server merely names is offered none', async () => {
    const other = await terminator(
      '127.0.0.1:1',
      tlsOptions(ofServer, { requestCert: true, rejectUnauthorized: false }),
    );
    const server = await start();
    server.fault = ({ request, response }) => {
      if (request.url.startsWith('/.well-known/oauth-protected-resource')) {
        const document = { resource: server.url, authorization_servers: [`https://${other.address}`] };
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
      } else response.writeHead(401, { 'www-authenticate': 'Bearer' }).end();
      return true;
    };
    const allow = [server, other];
    const { services } = await suite.host();
    const { registry: _, logger: __, ...stores } = services;
    const { runtime } = fixtures.runtime({
      servers: { srv: server.config({ requiresOAuth: true, tls: ALICE }) },
      allow,
      services: stores,
    });
    await runtime.reinitMCPServer({ user, serverName: 'srv' });
    expect(clientsOf(server)).toEqual(['alice']);
    expect(new Set(other.seen)).toEqual(new Set([undefined]));
  });
});
