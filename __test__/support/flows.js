const { FlowStateManager } = require('../../examples/librechat/librechat-api/flow-state-manager');
const { registerSecrets } = require('./secrets');

/** The example's flow manager, whose secrets are looked for in what the tests log. */
class LeasingFlowManager extends FlowStateManager {
  async initFlow(id, type, metadata = {}) {
    registerSecrets(metadata.state, metadata.codeVerifier, metadata.clientInfo?.client_secret);
    return super.initFlow(id, type, metadata);
  }
}

/** The same of a LibreChat that has no leases. */
class FlowManager extends LeasingFlowManager {}
FlowManager.prototype.acquireLease = undefined;
FlowManager.prototype.getLeaseGeneration = undefined;

module.exports = { FlowManager, LeasingFlowManager };
