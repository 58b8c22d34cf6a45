/** What `require` loads: the addon, and with it what needs nothing but JavaScript. `index.d.ts` describes all of it. */

const binding = require('./binding.js');
const { withClients } = require('./lib/clients.js');
const { withRedis } = require('./lib/embedded-redis.js');
const oboPolicy = require('./lib/obo-policy.js');

// The addon takes the error classes from its own exports, which stay while it is loaded. Whoever loads this package again
// in one process gets the classes that others have got.
if (!binding.MCPDomainNotAllowedError) Object.assign(binding, require('./lib/errors.js'));

// Each name stands here, because `import { name }` finds only names that are written out.
module.exports = { ...require('./binding.js') };
module.exports.createMCPRuntime = withClients(withRedis(binding.createMCPRuntime));
module.exports.MCPDomainNotAllowedError = binding.MCPDomainNotAllowedError;
module.exports.MCPInspectionFailedError = binding.MCPInspectionFailedError;
module.exports.MCPTokenRefreshUnavailableError = binding.MCPTokenRefreshUnavailableError;
module.exports.MCPTokenStorageUnavailableError = binding.MCPTokenStorageUnavailableError;
module.exports.OboTokenResolutionError = binding.OboTokenResolutionError;
module.exports.ReauthenticationRequiredError = binding.ReauthenticationRequiredError;
module.exports.isMCPDomainNotAllowedError = binding.isMCPDomainNotAllowedError;
module.exports.isMCPInspectionFailedError = binding.isMCPInspectionFailedError;
module.exports.isMCPTokenRefreshUnavailableError = binding.isMCPTokenRefreshUnavailableError;
module.exports.isMCPTokenStorageUnavailableError = binding.isMCPTokenStorageUnavailableError;
module.exports.isOboTokenResolutionError = binding.isOboTokenResolutionError;
module.exports.isReauthenticationRequiredError = binding.isReauthenticationRequiredError;
module.exports.backfillOboPermission = oboPolicy.backfillOboPermission;
module.exports.isOboConfigStillTrusted = oboPolicy.isOboConfigStillTrusted;
