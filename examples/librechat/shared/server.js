/** As much of LibreChat's server as step 2 needs, in June and August: `api/server/index.js` gives the MCP layer. */

const express = require('express');
const { printTokens, requireJwtAuth, tokenOf } = require('./auth');
const { PATH, clientMetadata } = require('./client-metadata');
const { mcpServers } = require('./librechat-config');
const db = require('./models');
const { beginSignIn, completeSignIn } = require('./openid');
const { initializeRoles } = require('./roles');

/**
 * @param {object} parts
 * @param {() => any} parts.getOAuthReconnectionManager
 * @param {{ close(): Promise<unknown> }} parts.runtime
 * @param {import('express').Router} parts.mcp routes below `/api/mcp`
 * @param {() => Promise<(() => Promise<unknown>) | void>} parts.initializeMCPs may give what is to be closed before the runtime
 * @param {() => Promise<unknown>} parts.initializeOAuthReconnectManager
 * @param {(call: any) => Promise<any>} parts.callMCPTool
 */
async function serve(parts) {
  const { getOAuthReconnectionManager, runtime, mcp, callMCPTool } = parts;
  await db.connectDb();
  await initializeRoles();
  const disconnectAppServers = await parts.initializeMCPs();
  await parts.initializeOAuthReconnectManager();

  const app = express();
  app.use(express.json());
  app.use('/api/mcp', mcp);

  // LibreChat's client asks for a new login token when it starts: the time to bring the user's connections back.
  app.post('/api/auth/refresh', requireJwtAuth, async (req, res) => {
    await getOAuthReconnectionManager().reconnectServers(req.user.id);
    return res.json({ user: { id: req.user.id } });
  });

  // In LibreChat, agents call tools in the course of a chat. A client that goes away aborts the call.
  app.post('/api/agents/tools/:toolKey', requireJwtAuth, async (req, res) => {
    const gone = new AbortController();
    res.on('close', () => gone.abort());
    const { toolKey } = req.params;
    const [content, artifact] = await callMCPTool({
      user: req.user,
      toolKey,
      toolArguments: req.body,
      signal: gone.signal,
    });
    return res.json({ content, artifact });
  });

  // LibreChat leaves the token in a cookie.
  app.get('/oauth/openid', (_, res) => res.redirect(beginSignIn()));
  app.get('/oauth/openid/callback', async (req, res) => res.json({ token: tokenOf(await completeSignIn(req.query)) }));

  // Authorization servers fetch it, and bring no login.
  const { CLIENT_METADATA_URL } = process.env;
  if (CLIENT_METADATA_URL) app.get(PATH, (_, res) => res.json(clientMetadata(CLIENT_METADATA_URL, mcpServers)));

  app.get('/oauth/success', (req, res) => res.type('text').send(`Signed in to ${req.query.serverName}`));
  app.get('/oauth/error', (req, res) => res.status(400).type('text').send(`Not signed in: ${req.query.error}`));
  app.get('/health', (_, res) => res.send('OK'));

  const listener = app.listen(Number(process.env.PORT), 'localhost');
  process.on('SIGTERM', async () => {
    listener.close();
    await disconnectAppServers?.();
    await runtime.close();
    await db.disconnectDb();
  });
  await printTokens();
}

module.exports = { serve };
