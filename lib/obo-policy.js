/** The policy functions about on-behalf-of that are about objects of the host alone. `index.d.ts` describes them. */

const GROUP = 'MCP_SERVERS';
const PERMISSION = 'CONFIGURE_OBO';

const isObject = (value) => typeof value === 'object' && value !== null;

async function isOboConfigStillTrusted(params) {
  try {
    if (!isObject(params) || !params.authorId) return false;
    const role = await params.getUserRoleByAuthorId(params.authorId);
    const permissions = role ? await params.getRolePermissions(role) : undefined;
    return permissions?.[GROUP]?.[PERMISSION] === true;
  } catch {
    // Whatever cannot be found out means no.
    return false;
  }
}

function backfillOboPermission(rolePermissions) {
  if (!isObject(rolePermissions)) {
    const error = new TypeError('backfillOboPermission: rolePermissions must be an object');
    throw Object.assign(error, { code: 'MCP_INVALID_ARGUMENT', retryable: false });
  }
  const backfilled = ([name, role]) => {
    const granted = isObject(role) ? role[GROUP] : undefined;
    if (!isObject(granted) || (granted[PERMISSION] ?? null) !== null) return [name, role];
    return [name, { ...role, [GROUP]: { ...granted, [PERMISSION]: name === 'ADMIN' } }];
  };
  return Object.fromEntries(Object.entries(rolePermissions).map(backfilled));
}

exports.backfillOboPermission = backfillOboPermission;
exports.isOboConfigStillTrusted = isOboConfigStillTrusted;
