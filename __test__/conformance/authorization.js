/** The host's part of OAuth: stores in memory, and a user who agrees to everything at once, without a browser. */

const { FlowManager } = require('../support/flows');

/** The suite's authorization servers take this client-ID metadata document without reading it. */
const CLIENT_ID_DOCUMENT = 'https://conformance-test.local/client-metadata.json';
/** Encrypts tokens that end with the process. */
const CREDENTIALS_KEY = '0123456789abcdef'.repeat(4);
const WANTS_AUTHORIZATION = /^MCP_(AUTHORIZATION_REQUIRED|OAUTH_REQUIRED|INSUFFICIENT_SCOPE)$/;

/** LibreChat's token collection. */
class Tokens {
  rows = [];

  index(query) {
    return this.rows.findIndex((row) => Object.entries(query).every(([name, value]) => row[name] === value));
  }

  methods() {
    return {
      findToken: async (query) => this.rows[this.index(query)] ?? null,
      createToken: async ({ expiresIn, ...row }) => {
        const created = { ...row, createdAt: new Date(), expiresAt: expiry(expiresIn) };
        this.rows.push(created);
        return created;
      },
      updateToken: async (query, { expiresIn, ...row }) => {
        const found = this.rows[this.index(query)];
        if (!found) return null;
        return Object.assign(found, row, expiresIn === undefined ? {} : { expiresAt: expiry(expiresIn) });
      },
      deleteTokens: async (query) => {
        const before = this.rows.length;
        for (let index = this.index(query); index >= 0; index = this.index(query)) this.rows.splice(index, 1);
        return { deletedCount: before - this.rows.length };
      },
    };
  }
}

function expiry(seconds) {
  return new Date(Date.now() + seconds * 1000);
}

/** Opens the authorization URL as a browser does, up to the redirect with the code. */
async function agree(authorizationUrl) {
  const answer = await fetch(authorizationUrl, { redirect: 'manual' });
  const location = answer.headers.get('location');
  if (!location) throw new Error(`the authorization endpoint answered ${answer.status} without a redirect`);
  return new URL(location).searchParams;
}

/** @param stores  where flows and tokens are, in place of those in memory */
function createAuthorization(stores = { flowManager: new FlowManager(), tokenMethods: new Tokens().methods() }) {
  const { flowManager } = stores;
  return {
    services: { ...stores, credentialsKey: CREDENTIALS_KEY },

    isWanted: (error) => WANTS_AUTHORIZATION.test(error?.mcpCode ?? error?.code),

    /** Members that every call gets by which a user may be asked: they wait for the user, who comes back at once. */
    asking(runtime, user, serverName) {
      if (!runtime.oauth) return {};
      const flowId = runtime.oauth.generateFlowId(user.id, serverName);
      const complete = async (authorizationUrl) => {
        const received = await agree(authorizationUrl);
        const [code, state, iss] = ['code', 'state', 'iss'].map((name) => received.get(name) ?? undefined);
        await runtime.oauth.completeOAuthFlow(flowId, code, flowManager, {}, { state, iss });
      };
      // Not awaited: a call waits for the flow only when this has returned.
      const oauthStart = (authorizationUrl) => {
        complete(authorizationUrl)
          .catch((error) => flowManager.failFlow(flowId, 'mcp_oauth', error))
          // A flow whose store is away ends by itself.
          .catch(() => {});
      };
      return { flowManager, returnOnOAuth: false, oauthStart };
    },
  };
}

/** Who registered a client: an operator knows that, and the suite tells it in the server's own document alone. */
async function issuerOf(serverUrl) {
  const { origin, pathname } = new URL(serverUrl);
  const answer = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  const { authorization_servers: servers } = await answer.json();
  return servers[0];
}

/**
 * What an operator configures for a server that asks nobody to log in, by what was handed out beforehand: a client and the
 * provider that users have signed in at, the name of a workload, a client with a key, or one with a secret of no issuer.
 */
async function grantOf(context, serverUrl) {
  const { client_id, client_secret, private_key_pem: key, signing_algorithm: alg } = context;
  if (context.valid_jwt) return { grant: 'workload', client_id };
  if (context.issuer || !(key || client_secret)) return undefined;
  const client = { client_id, client_secret, issuer: await issuerOf(serverUrl) };
  if (context.idp_issuer) {
    const { idp_issuer: issuer, idp_token_endpoint: token_url, idp_client_id } = context;
    return { ...client, grant: 'enterprise', identity_provider: { issuer, token_url, client_id: idp_client_id } };
  }
  return { ...client, grant: 'client_credentials', ...(key && { private_key_jwt: { key, alg } }) };
}

/** Host services and members of calls by which the runtime gets what was handed out for a grant. */
function handedOut(context) {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const session = { id_token: context.idp_id_token, expires_at: inAnHour };
  return {
    services: context.valid_jwt ? { getWorkloadAssertion: () => context.valid_jwt } : {},
    session: context.idp_id_token ? { upstreamTokenProvider: () => session } : {},
  };
}

/**
 * What an operator configures for a server that wants OAuth: a grant, or a client that was registered beforehand with an
 * issuer, else the document that describes this one. A secret needs the issuer's endpoints beside it.
 */
async function oauthConfig(context, serverUrl) {
  const grant = await grantOf(context, serverUrl);
  if (grant) return { oauth: grant };
  const { client_id: clientId, client_secret: clientSecret, issuer } = context;
  const oauth = { client_id: clientId ?? CLIENT_ID_DOCUMENT };
  if (clientSecret && issuer) {
    const answer = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
    const metadata = await answer.json();
    oauth.client_secret = clientSecret;
    oauth.authorization_url = metadata.authorization_endpoint;
    oauth.token_url = metadata.token_endpoint;
    oauth.token_endpoint_auth_methods_supported = metadata.token_endpoint_auth_methods_supported;
  }
  return { requiresOAuth: true, oauth };
}

module.exports = { createAuthorization, handedOut, oauthConfig };
