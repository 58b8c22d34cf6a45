/** Servers that want a login, and logins that come to nothing. */

const { startAuthorizationServer, signIn } = require('../support/authorization-server');
const { startProtectedServer } = require('../support/protected-server');
const { CLIENT_SECRET, WRONG_KEY } = require('./secrets');

/** Registered by hand for this server; `redirect` in place of the redirect URI of the command line. */
const client = (server, { redirect = `http://127.0.0.1/api/mcp/${server}/oauth/callback`, ...rest } = {}) => ({
  client_id: server,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: [redirect],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  scope: 'offline_access mcp',
  ...rest,
});

const CLIENTS = [
  client('login-access-denied'),
  client('login-invalid-client', { client_secret: 'another-one', token_endpoint_auth_method: 'client_secret_post' }),
  client('login-redirect-uri', { redirect: 'https://chat.example.com/api/mcp/notes/oauth/callback' }),
];

const json = (response, status, body) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** An authorization server that says this of itself, and answers at /register with `register(response)`. */
async function scripted({ serve }, claim, register) {
  const { origin } = await serve((request, response) => {
    const endpoints = { authorization_endpoint: `${origin}/authorize`, token_endpoint: `${origin}/token` };
    const metadata = { issuer: origin, ...endpoints, response_types_supported: ['code'], ...claim(origin) };
    metadata.code_challenge_methods_supported = ['S256'];
    if (request.url.startsWith('/.well-known/')) return json(response, 200, metadata);
    return request.url === '/register' ? register(response) : json(response, 404, {});
  });
  return { issuer: origin, scopes: ['mcp'], introspect: async () => ({ active: false }) };
}

/**
 * @returns `{ servers, logins }`; `logins` has by server its `config`, what the browser does with the address that it is sent to
 * (`browse`), if to any, and for how many `seconds` the login is waited for, where it has no end of its own
 */
module.exports = async function oauthServers(bench) {
  const { keep } = bench;
  const real = keep(await startAuthorizationServer({ clients: CLIENTS }));
  const refusing = await scripted(
    bench,
    (origin) => ({ registration_endpoint: `${origin}/register` }),
    (response) =>
      json(response, 403, { error: 'access_denied', error_description: 'Clients are registered by the service desk' }),
  );
  const withoutRegistration = await scripted(bench, () => ({}));
  const foreign = await scripted(bench, () => ({ issuer: 'https://login.example.com' }));
  const protectedBy = async (authorizationServer, rest) => {
    const { url } = keep(await startProtectedServer(authorizationServer));
    return { type: 'streamable-http', url, ...rest };
  };
  const registered = (client_id, rest) => protectedBy(real, { oauth: { client_id, scope: 'mcp', ...rest } });
  const endpoints = { authorization_url: `${real.issuer}/auth`, token_url: `${real.issuer}/token` };

  const back = (opened, parameters) => {
    const { redirect_uri: target, state } = Object.fromEntries(new URL(opened).searchParams);
    return fetch(`${target}?${new URLSearchParams({ ...parameters, state, iss: real.issuer })}`);
  };

  const servers = {
    'http-401-with-challenge': await protectedBy(real),
    'oauth-block': await registered('login-access-denied'),
    'key-wrong-with-challenge': await protectedBy(real, { headers: { 'X-Api-Key': WRONG_KEY } }),
  };
  const logins = {
    'login-access-denied': {
      config: await registered('login-access-denied'),
      browse: (opened) => back(opened, { error: 'access_denied', error_description: 'The user declined to consent' }),
    },
    'login-invalid-client': {
      config: await registered('login-invalid-client', { client_secret: CLIENT_SECRET, ...endpoints }),
      browse: async (opened) => back(opened, { code: (await signIn(real.issuer, opened, real.account)).get('code') }),
    },
    'login-registration-refused': { config: await protectedBy(refusing) },
    'login-no-registration': { config: await protectedBy(withoutRegistration) },
    'login-redirect-uri': {
      config: await registered('login-redirect-uri'),
      browse: (opened) => fetch(opened),
      seconds: 15,
    },
    'login-other-issuer': { config: await protectedBy(foreign) },
  };
  return { servers, logins };
};
