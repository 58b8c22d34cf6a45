/**
 * Whether a user's role has all of these permissions.
 *
 * @param {LibreChat.Access & { user?: LibreChat.User }} access
 */
async function checkAccess({ user, permissionType, permissions, getRoleByName }) {
  const role = user?.role && (await getRoleByName(user.role));
  const granted = role?.permissions?.[permissionType];
  return permissions.every((permission) => granted?.[permission] === true);
}

/**
 * Middleware: 403 without the permissions.
 *
 * @param {LibreChat.Access} access
 * @returns {import('express').RequestHandler<any>}
 */
function generateCheckAccess({ permissionType, permissions, getRoleByName }) {
  return async (req, res, next) => {
    if (await checkAccess({ user: req.user, permissionType, permissions, getRoleByName })) return next();
    return res.status(403).json({ message: 'Forbidden: Insufficient permissions' });
  };
}

module.exports = { checkAccess, generateCheckAccess };
