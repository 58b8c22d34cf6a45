const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

setFlagsFromString('--expose-gc');

/** Runs the garbage collector. */
const collectGarbage = runInNewContext('gc');

module.exports = { collectGarbage };
