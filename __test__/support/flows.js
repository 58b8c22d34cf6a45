const { FlowStateManager } = require('../../examples/librechat/librechat-api/flow-state-manager');
const { registerSecrets } = require('./secrets');

/** The example's flow manager, whose secrets are looked for in what the tests log. */
class FlowManager extends FlowStateManager {
  async initFlow(id, type, metadata = {}) {
    registerSecrets(metadata.state, metadata.codeVerifier, metadata.clientInfo?.client_secret);
    return super.initFlow(id, type, metadata);
  }
}

module.exports = { FlowManager };
