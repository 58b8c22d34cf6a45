/** For scripts: the parameters they were started with, and a runtime with one server named `srv`. */

const { createMCPRuntime } = require('../support/addon');
const { createHost } = require('../support/host');

const parameters = JSON.parse(process.argv[2]);

function createRuntime() {
  const { config, allow = [] } = parameters;
  return createMCPRuntime(createHost({ servers: { srv: config }, allow }).services);
}

const call = { user: { id: '0123456789abcdef01234567' }, serverName: 'srv' };

module.exports = { call, createRuntime, parameters };
