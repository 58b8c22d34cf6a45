const { fork } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { once } = require('node:events');
const { join } = require('node:path');
const { freePort } = require('./ports');
const { registerSecrets } = require('./secrets');
const { until } = require('./wait');

/**
 * A real authorization server, `oidc-provider`, on a free port: dynamic registration, resource indicators, opaque access
 * tokens, refresh tokens that rotate, and a grant that is revoked when one is used twice.
 *
 * @param options.accessTokenSeconds  lifetime of access tokens
 * @param options.scopes              what may be asked for
 * @param options.tokenDelayMs        time that the token endpoint takes
 * @param options.clients             metadata of clients that are registered beforehand
 * @param options.idJag               what it knows of ID-JAGs, see enterprise-grants.mjs
 * @param options.pushedSeconds       every authorization request has to be pushed, and lasts so long
 * @param options.dpop                'nonce': proofs need one; 'none': it knows of no proofs (RFC 9449)
 * @returns `{ address, issuer, scopes, account, requests, refreshes, introspect, signIn, hold, holdAll, fail, close }`: `requests`
 *   are those to the registration, token, revocation and PAR endpoints, `refreshes()` those with a refresh token; `account` is
 *   `{ login, password }` of the only user
 */
async function startAuthorizationServer({
  accessTokenSeconds = 3600,
  scopes = ['mcp'],
  tokenDelayMs = 0,
  clients = [],
  idJag,
  pushedSeconds,
  dpop,
} = {}) {
  const secret = () => randomBytes(18).toString('base64url');
  const account = { login: 'alice', password: secret() };
  const resourceServer = { client_id: 'resource-server', client_secret: secret() };
  const port = await freePort();
  const options = {
    port,
    accessTokenSeconds,
    account,
    resourceServer,
    scopes,
    tokenDelayMs,
    clients,
    idJag,
    pushedSeconds,
    dpop,
  };
  registerSecrets(account.password, ...[resourceServer, ...clients].map((client) => client.client_secret));
  const child = fork(join(__dirname, 'authorization-server-process.mjs'), [JSON.stringify(options)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  // Mostly warnings that are meant for production.
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const requests = [];
  let issuer;
  child.on('message', (message) => {
    issuer ??= message.issuer;
    if (message.request) requests.push(message.request);
    registerSecrets(...(message.secrets ?? []));
  });
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  await until('the authorization server', () => issuer !== undefined || ended(), 60_000);
  if (issuer === undefined) throw new Error(`the authorization server did not start: ${errors}`);

  /** Sends that, and resolves when an answer is the one that is waited for. */
  const told = (message, isAnswer) =>
    new Promise((resolve) => {
      const listen = (answer) => {
        if (!isAnswer(answer)) return;
        child.off('message', listen);
        resolve();
      };
      child.on('message', listen);
      child.send(message);
    });

  const { client_id: id, client_secret: password } = resourceServer;
  const authorization = `Basic ${Buffer.from(`${id}:${password}`).toString('base64')}`;
  return {
    address: `127.0.0.1:${options.port}`,
    issuer,
    scopes,
    account,
    requests,
    refreshes: () => requests.filter(({ grantType }) => grantType === 'refresh_token'),

    /**
     * Holds the next token request at this moment, 'received' or 'carried out', until its client is gone. Resolves when
     * one is held, to a function that lets it go on.
     */
    async hold(moment) {
      await told({ hold: { moment } }, ({ held }) => held === moment);
      return () => child.send({ release: true });
    },

    /**
     * Holds all token requests in the same way, and tells `hear` the headers of each; resolves to a function that lets
     * them go on, and those that follow.
     */
    async holdAll(moment, hear) {
      const listen = ({ held, headers }) => held && hear(headers);
      child.on('message', listen);
      await told({ hold: { moment, all: true } }, ({ holds }) => holds);
      return () => {
        child.off('message', listen);
        child.send({ release: true });
      };
    },

    /** The token endpoint answers with this status from now on, or works again. */
    fail: (status = null) => told({ failing: status }, ({ failing }) => failing === status),

    /** RFC 7662, as the resource server. */
    async introspect(token) {
      const body = new URLSearchParams({ token });
      const answer = await fetch(`${issuer}/token/introspection`, { method: 'POST', headers: { authorization }, body });
      return answer.json();
    },

    /** Signs in without a browser; resolves to the parameters that the redirect URI would be called with. */
    signIn: (authorizationUrl) => signIn(issuer, authorizationUrl, account),

    async close() {
      if (ended()) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function signIn(issuer, authorizationUrl, account) {
  const cookies = new Map();
  const visit = async (url, init) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    return { location: location && new URL(location, issuer).href, text: await answer.text() };
  };
  const redirected = async (url, init) => {
    const { location, text } = await visit(url, init);
    if (!location) throw new Error(`${new URL(url).pathname} of the authorization server did not redirect: ${text}`);
    return location;
  };

  let url = await redirected(authorizationUrl);
  if (url.startsWith(issuer)) url = await redirected(url, { method: 'POST', body: new URLSearchParams(account) });
  if (url.startsWith(issuer)) url = await redirected(url);
  return new URL(url).searchParams;
}

module.exports = { signIn, startAuthorizationServer };
