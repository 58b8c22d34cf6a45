/** What `require` loads: the addon, and with it what needs nothing but JavaScript. `index.d.ts` describes all of it. */

const binding = require('./binding.js');
const oboPolicy = require('./lib/obo-policy.js');

// Whoever loads this package again in one process gets the classes that others have got.
const isFirst = !binding.MCPDomainNotAllowedError;
const errors = isFirst ? require('./lib/errors.js') : binding;
const createMCPRuntime = isFirst
  ? require('./lib/embedded-redis.js').withRedis(binding.createMCPRuntime)
  : binding.createMCPRuntime;

// Each name stands here, because `import { name }` finds only names that are written out. The addon itself takes the
// error classes from its exports.
module.exports = require('./binding.js');
module.exports.createMCPRuntime = createMCPRuntime;
module.exports.MCPDomainNotAllowedError = errors.MCPDomainNotAllowedError;
module.exports.MCPInspectionFailedError = errors.MCPInspectionFailedError;
module.exports.MCPTokenRefreshUnavailableError = errors.MCPTokenRefreshUnavailableError;
module.exports.MCPTokenStorageUnavailableError = errors.MCPTokenStorageUnavailableError;
module.exports.OboTokenResolutionError = errors.OboTokenResolutionError;
module.exports.ReauthenticationRequiredError = errors.ReauthenticationRequiredError;
module.exports.isMCPDomainNotAllowedError = errors.isMCPDomainNotAllowedError;
module.exports.isMCPInspectionFailedError = errors.isMCPInspectionFailedError;
module.exports.isMCPTokenRefreshUnavailableError = errors.isMCPTokenRefreshUnavailableError;
module.exports.isMCPTokenStorageUnavailableError = errors.isMCPTokenStorageUnavailableError;
module.exports.isOboTokenResolutionError = errors.isOboTokenResolutionError;
module.exports.isReauthenticationRequiredError = errors.isReauthenticationRequiredError;
module.exports.backfillOboPermission = oboPolicy.backfillOboPermission;
module.exports.isOboConfigStillTrusted = oboPolicy.isOboConfigStillTrusted;
