/**
 * Stands for the OAuth part of LibreChat's own manager (`packages/api/src/mcp/MCPConnectionFactory.ts` and
 * `oauth/handler.ts`, August 2026), for one user and server: a connection takes part in the flow `mcp_get_tokens`, which
 * all processes share, and believes what came out of it only while that is stored.
 *
 * @typedef {import('./token-storage').Tokens} Tokens
 * @typedef {import('./token-storage').Client} Client
 */

const { createHash, randomBytes } = require('node:crypto');
const { LibreChatTokens } = require('./token-storage');

const FLOW = 'mcp_get_tokens';

/**
 * @param {string} url
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
async function ask(url, init) {
  const response = await fetch(url, init);
  const body = /** @type {any} */ (await response.json());
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status} ${body.error}`);
  return body;
}

/**
 * A request to the token endpoint, as the client is registered.
 *
 * @param {string} endpoint
 * @param {Client} client
 * @param {Record<string, string>} parameters
 * @returns {Promise<Tokens>}
 */
function askForTokens(endpoint, client, parameters) {
  const { client_id, client_secret, token_endpoint_auth_method: method = 'client_secret_basic' } = client;
  const body = new URLSearchParams(parameters);
  /** @type {Record<string, string>} */
  const headers = {};
  if (client_secret && method === 'client_secret_basic') {
    const pair = [client_id, client_secret].map(encodeURIComponent).join(':');
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  } else {
    body.set('client_id', client_id);
    if (client_secret) body.set('client_secret', client_secret);
  }
  return ask(endpoint, { method: 'POST', headers, body });
}

/** @type {import('./token-storage').Redeem} */
const redeem = (refreshToken, client, { token_endpoint, resource }) =>
  askForTokens(token_endpoint, client, { grant_type: 'refresh_token', refresh_token: refreshToken, resource });

/**
 * What is stored with a client, so that neither it nor its tokens are ever used elsewhere.
 *
 * @param {Record<string, any>} flow
 */
function bindingOf({ metadata, resourceMetadata, serverUrl, clientSource }) {
  const resource = resourceMetadata?.resource;
  return {
    ...metadata,
    server_url: new URL(serverUrl).href,
    client_source: clientSource,
    ...(resource && { resource: new URL(resource).href }),
  };
}

/**
 * @typedef {object} Options
 * @property {any} methods  LibreChat's token methods
 * @property {any} flowManager
 * @property {string} userId
 * @property {string} serverName
 */

class MCPUser {
  /** @param {Options} options */
  constructor({ methods, flowManager, userId, serverName }) {
    this.tokens = new LibreChatTokens({ methods, userId, serverName });
    this.flowManager = flowManager;
    this.flowId = `${userId}:${serverName}`;
  }

  /**
   * What a connection gets: tokens, or null, which means that the user is asked to sign in.
   *
   * @returns {Promise<Tokens | null>}
   */
  async connect() {
    const { tokens, flowManager, flowId } = this;
    const got = await flowManager.createFlowWithHandler(flowId, FLOW, () => tokens.getTokens(redeem));
    if (!got) return null;
    if (!(await tokens.isCurrent(got))) throw new Error('Cached OAuth access token is stale');
    tokens.assertBound(got.credential_set_id, await tokens.find('mcp_oauth_client'));
    return got;
  }

  /** After a 401 of the server: without the flow, which is told afterwards. */
  async refresh() {
    const fresh = await this.tokens.refresh(redeem);
    await this.tellFlow(fresh);
    return fresh;
  }

  /**
   * Whoever waits gets the new tokens, and nobody the old ones.
   *
   * @param {Tokens | null} fresh
   */
  async tellFlow(fresh) {
    const { flowManager, flowId } = this;
    const flow = await flowManager.getFlowState(flowId, FLOW);
    if (flow?.status === 'PENDING') await flowManager.completeFlow(flowId, FLOW, fresh);
    else await flowManager.deleteFlow(flowId, FLOW);
  }

  /**
   * Registers a client and begins; resolves to the URL that the user is to open, and to the flow's metadata.
   *
   * @param {{ issuer: string, serverUrl: string, redirectUri: string, scope: string }} options
   */
  async beginSignIn({ issuer, serverUrl, redirectUri, scope }) {
    const metadata = await ask(`${issuer}/.well-known/openid-configuration`);
    const clientInfo = await ask(metadata.registration_endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      }),
    });
    const codeVerifier = randomBytes(32).toString('base64url');
    const url = new URL(metadata.authorization_endpoint);
    url.search = String(
      new URLSearchParams({
        client_id: clientInfo.client_id,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: `${scope} offline_access`,
        prompt: 'consent',
        resource: serverUrl,
        state: randomBytes(16).toString('base64url'),
        code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
      }),
    );
    const resourceMetadata = { resource: serverUrl };
    const flow = { metadata, resourceMetadata, clientInfo, codeVerifier, serverUrl, clientSource: 'dynamic' };
    return { url: url.href, flow };
  }

  /**
   * The user has come back: rows first, then whoever waits.
   *
   * @param {Record<string, any>} flow  its metadata
   * @param {string} code
   */
  async finishSignIn(flow, code) {
    const { metadata, clientInfo, codeVerifier, serverUrl } = flow;
    const answer = await askForTokens(metadata.token_endpoint, clientInfo, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: clientInfo.redirect_uris[0],
      code_verifier: codeVerifier,
      resource: flow.resourceMetadata?.resource ?? serverUrl,
    });
    const ofSet = { ...answer, credential_set_id: randomBytes(16).toString('hex') };
    const stored = await this.tokens.store({ tokens: ofSet, client: clientInfo, metadata: bindingOf(flow) });
    await this.tellFlow(stored);
    return stored;
  }
}

module.exports = { MCPUser };
