/** Step 1: this file alone changes. LibreChat's own manager still serves tool calls. */

const { createMCPRuntime } = require('librechat-mcp-native');
const { services } = require('../../../../../shared/runtime-services');

// What a call opened is closed when it has answered.
const runtime = createMCPRuntime({ ...services, keepConnections: false });

module.exports = { reinitMCPServer: runtime.reinitMCPServer };
