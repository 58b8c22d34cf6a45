const { backfillOboPermission } = require('librechat-mcp-native');
const { Permissions, PermissionTypes, SystemRoles } = require('librechat-data-provider');
const db = require('./models');
const { interface: settings } = require('./librechat-config');

/**
 * LibreChat's roles with what `librechat.yaml` says about users. Roles that were stored before there was
 * `CONFIGURE_OBO` get it, too; what an operator set stays.
 */
async function initializeRoles() {
  await db.initializeRoles();
  const { use, create } = settings.mcpServers;
  await db.updateAccessPermissions(SystemRoles.USER, {
    [PermissionTypes.MCP_SERVERS]: { [Permissions.USE]: use, [Permissions.CREATE]: create },
  });

  const names = Object.values(SystemRoles);
  const roles = await Promise.all(names.map((name) => db.getRoleByName(name)));
  const before = Object.fromEntries(roles.map(({ name, permissions }) => [name, permissions]));
  for (const [name, permissions] of Object.entries(backfillOboPermission(before))) {
    const type = PermissionTypes.MCP_SERVERS;
    const granted = /** @type {Record<string, boolean>} */ (permissions[type]);
    await db.updateAccessPermissions(name, { [type]: granted });
  }
}

module.exports = { initializeRoles };
