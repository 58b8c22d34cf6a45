/** Makes a runtime of a file and leaves it open. */

const { createMCPRuntime } = require('../support/addon');

const { path } = JSON.parse(process.argv[2]);

createMCPRuntime({ config: path });
process.stdout.write('made');
