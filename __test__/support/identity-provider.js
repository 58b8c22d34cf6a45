const http = require('node:http');
const { registerSecrets } = require('./secrets');
const { delay } = require('./wait');

/**
 * A token endpoint that exchanges on behalf of users: the token for `ASSERTION` is `for ASSERTION #N`, the N counting
 * that assertion's exchanges. `lifetime` is in seconds and may be changed.
 *
 * @param options.answer  members of every answer; one with `error` refuses
 */
async function startIdentityProvider({ lifetime = 3600, delayMs = 0, answer } = {}) {
  const exchanges = [];
  const listener = http.createServer(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/.well-known/openid-configuration') {
      const { issuer, tokenEndpoint } = provider.config;
      response.end(JSON.stringify({ issuer, token_endpoint: tokenEndpoint }));
      return;
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = Object.fromEntries(new URLSearchParams(body));
    exchanges.push(form);
    await delay(delayMs);
    const count = exchanges.filter(({ assertion }) => assertion === form.assertion).length;
    const token = answer?.access_token ?? `for-${form.assertion}-${count}`;
    registerSecrets(form.assertion, form.client_secret, token);
    response.statusCode = answer?.error ? 400 : 200;
    response.end(
      JSON.stringify({
        token_type: 'Bearer',
        access_token: token,
        expires_in: provider.lifetime,
        scope: form.scope,
        ...answer,
      }),
    );
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${listener.address().port}`;
  const provider = {
    exchanges,
    lifetime,
    config: { issuer, tokenEndpoint: `${issuer}/token`, clientId: 'client', clientSecret: 'secret-of-the-client' },
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return provider;
}

module.exports = { startIdentityProvider };
