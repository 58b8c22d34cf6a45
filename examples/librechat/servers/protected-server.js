/**
 * An MCP server that wants OAuth: node protected-server.js JSON with `{ port, issuer, resourceServer, scopes }`.
 * It is made of the official SDK alone: it publishes its metadata (RFC 9728), answers 401 with the way there, and asks
 * the authorization server about every token it gets (RFC 7662). Its tool tells who is signed in.
 */

const { InvalidTokenError } = require('@modelcontextprotocol/sdk/server/auth/errors.js');
const { requireBearerAuth } = require('@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js');
const {
  getOAuthProtectedResourceMetadataUrl,
  mcpAuthMetadataRouter,
} = require('@modelcontextprotocol/sdk/server/auth/router.js');
const { McpServer } = require('@modelcontextprotocol/sdk/server/mcp.js');
const { StreamableHTTPServerTransport } = require('@modelcontextprotocol/sdk/server/streamableHttp.js');
const express = require('express');

const { port, issuer, resourceServer, scopes } = JSON.parse(process.argv[2]);
const resource = new URL(`http://127.0.0.1:${port}/mcp`);

/**
 * @param {string} token
 * @returns {Promise<import('@modelcontextprotocol/sdk/server/auth/types.js').AuthInfo>}
 */
async function verifyAccessToken(token) {
  const { client_id: id, client_secret: secret } = resourceServer;
  const answer = await fetch(`${issuer}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
    body: new URLSearchParams({ token }),
  });
  const introspection = /** @type {any} */ (await answer.json());
  const { active, aud, sub, client_id: clientId, scope = '', exp } = introspection;
  if (!active || aud !== resource.href) throw new InvalidTokenError('The token is not valid here');
  return { token, clientId, scopes: scope.split(' '), expiresAt: exp, resource, extra: { sub } };
}

function createServer() {
  const server = new McpServer({ name: 'protected-server', version: '1.0.0' });
  server.registerTool('whoami', { description: 'Tells who is signed in' }, ({ authInfo }) => ({
    content: [{ type: 'text', text: `You are ${authInfo?.extra?.sub}` }],
  }));
  return server;
}

async function main() {
  const metadata = await fetch(`${issuer}/.well-known/openid-configuration`);
  const app = express();
  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: /** @type {any} */ (await metadata.json()),
      resourceServerUrl: resource,
      scopesSupported: scopes,
    }),
  );
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(resource);
  app.use('/mcp', requireBearerAuth({ verifier: { verifyAccessToken }, resourceMetadataUrl }));
  app.post('/mcp', express.json(), async (request, response) => {
    // Without sessions: each request has a server of its own.
    const [server, transport] = [createServer(), new StreamableHTTPServerTransport({})];
    response.on('close', () => server.close());
    await server.connect(transport);
    await transport.handleRequest(request, response, request.body);
  });
  app.all('/mcp', (_, response) => response.status(405).end());
  app.listen(port, '127.0.0.1');
}

main();
