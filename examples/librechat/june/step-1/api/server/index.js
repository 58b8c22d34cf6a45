/** As much of LibreChat's server as step 1 touches: the route that reinitializes a server. */

const express = require('express');
const { ServersOfJune: MCPServersRegistry } = require('../../../../librechat-api');
const { printTokens, requireJwtAuth } = require('../../../../shared/auth');
const { mcpServers, mcpSettings } = require('../../../../shared/librechat-config');
const db = require('../../../../shared/models');
const { reinitMCPServer } = require('./services/Tools/mcp');

async function main() {
  await db.connectDb();
  MCPServersRegistry.createInstance({ db, mcpServers, mcpSettings });

  const app = express();
  app.post('/api/mcp/:serverName/reinitialize', requireJwtAuth, async (req, res) => {
    const result = await reinitMCPServer({ user: req.user, serverName: req.params.serverName });
    if (!result) return res.status(500).json({ error: 'Failed to reinitialize MCP server for user' });
    return res.json(result);
  });
  app.get('/health', (_, res) => res.send('OK'));
  app.listen(Number(process.env.PORT), 'localhost');
  await printTokens();
}

process.on('SIGTERM', () => process.exit());
main();
