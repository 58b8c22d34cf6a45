const { runtime } = require('../../../config');

module.exports = { reinitMCPServer: runtime.reinitMCPServer };
