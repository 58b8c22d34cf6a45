/** As much of LibreChat's server as step 1 touches: reinitializing, signing in, listing and calling tools. */

const { logger } = require('@librechat/data-schemas');
const express = require('express');
const { MCPServersRegistry } = require('../../../librechat-api');
const { getAppConfig } = require('../../../shared/app-config');
const { printTokens, requireJwtAuth } = require('../../../shared/auth');
const { mcpServers, mcpSettings } = require('../../../shared/librechat-config');
const db = require('../../../shared/models');
const { getMCPServerTools, invalidateCachedTools } = require('../../../shared/tool-cache');
const { callMCPTool, completeSignIn } = require('./services/MCP');
const { reinitMCPServer } = require('./services/Tools/mcp');

async function main() {
  await db.connectDb();
  MCPServersRegistry.createInstance({
    db,
    mcpServers,
    mcpSettings,
    resolveAllowlists: async (actor) => (await getAppConfig(actor)).mcpSettings,
  });
  const registry = MCPServersRegistry.getInstance();
  /** @param {LibreChat.User} user */
  const overlaysFor = async (user) => registry.ensureConfigServers((await getAppConfig(user)).mcpConfig);

  const app = express();
  app.post('/api/mcp/:serverName/reinitialize', requireJwtAuth, async (req, res) => {
    const { user } = req;
    const { serverName } = req.params;
    const configServers = await overlaysFor(user);
    const serverConfig = await registry.getServerConfig(serverName, user.id, configServers);
    if (!serverConfig) return res.status(404).json({ error: `MCP server '${serverName}' not found in configuration` });
    await invalidateCachedTools({ userId: user.id, serverName });
    const result = await reinitMCPServer({ user, serverName, serverConfig, configServers });
    if (!result) return res.status(500).json({ error: 'Failed to reinitialize MCP server for user' });
    return res.json(result);
  });
  app.get('/api/mcp/:serverName/oauth/callback', async (req, res) => {
    try {
      await completeSignIn(req.query);
      return res.redirect(`/oauth/success?serverName=${encodeURIComponent(req.params.serverName)}`);
    } catch (error) {
      logger.error('[MCP OAuth] OAuth callback error', error);
      return res.redirect('/oauth/error?error=callback_failed');
    }
  });
  app.get('/api/mcp/tools', requireJwtAuth, async (req, res) => {
    const configs = Object.entries(await registry.getAllServerConfigs(req.user.id, await overlaysFor(req.user)));
    const servers = configs.map(async ([name, config]) => {
      const tools = Object.keys((await getMCPServerTools(req.user.id, name, config)) ?? {});
      return [name, { name, tools }];
    });
    return res.json({ servers: Object.fromEntries(await Promise.all(servers)) });
  });
  app.post('/api/agents/tools/:toolKey', requireJwtAuth, express.json(), async (req, res) => {
    const content = await callMCPTool({ user: req.user, toolKey: req.params.toolKey, toolArguments: req.body ?? {} });
    return res.json({ content });
  });
  app.get('/oauth/success', (req, res) => res.type('text').send(`Signed in to ${req.query.serverName}`));
  app.get('/oauth/error', (req, res) => res.status(400).type('text').send(`Not signed in: ${req.query.error}`));
  app.get('/health', (_, res) => res.send('OK'));
  app.listen(Number(process.env.PORT), 'localhost');
  await printTokens();
}

process.on('SIGTERM', () => process.exit());
main();
