/**
 * `getAppConfig` of LibreChat: `librechat.yaml` with what administrators changed for a role. Those are in the database in
 * LibreChat, and in the environment here (`ROLE_CONFIG`, JSON by role), so that a test can show what they do.
 */

const { SystemRoles } = require('librechat-data-provider');
const config = require('./librechat-config');

/** @type {Record<string, { mcpServers?: LibreChat.ServerConfigs, mcpSettings?: object }>} */
const byRole = JSON.parse(process.env.ROLE_CONFIG ?? '{}');

/** @param {{ role?: string }} [actor] */
async function getAppConfig({ role = SystemRoles.USER } = {}) {
  const changed = byRole[role] ?? {};
  const mcpConfig = Object.fromEntries(
    Object.entries(config.mcpServers).map(([name, server]) => [name, { ...server, ...changed.mcpServers?.[name] }]),
  );
  return { mcpConfig, mcpSettings: { ...config.mcpSettings, ...changed.mcpSettings } };
}

module.exports = { getAppConfig };
