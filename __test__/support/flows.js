const { FlowStateManager } = require('../../examples/librechat/librechat-api/flow-state-manager');
const { registerSecrets } = require('./secrets');

/** Secrets of flows are looked for in what the tests log. */
const registerFlow = ({ state, codeVerifier, clientInfo } = {}) =>
  registerSecrets(state, codeVerifier, clientInfo?.client_secret);

/** The example's flow manager. */
class LeasingFlowManager extends FlowStateManager {
  async initFlow(id, type, metadata = {}) {
    registerFlow(metadata);
    return super.initFlow(id, type, metadata);
  }
}

/** The same of a LibreChat that has no leases. */
class FlowManager extends LeasingFlowManager {}
FlowManager.prototype.acquireLease = undefined;
FlowManager.prototype.getLeaseGeneration = undefined;

module.exports = { FlowManager, LeasingFlowManager, registerFlow };
