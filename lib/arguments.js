/** What a client refuses before the addon gets it. */

const { setMaxListeners } = require('node:events');

const LIMITS = ['timeout', 'maxTotalTimeout'];

const invalidArgument = (message) =>
  Object.assign(new TypeError(message), { code: 'MCP_INVALID_ARGUMENT', retryable: false });

/** @param {string} what  the function and its parameter, such as `callTool: name` */
function checkText(value, what) {
  if (typeof value !== 'string' || value === '') throw invalidArgument(`${what} must be a text`);
}

/** The parameter object of a function; `undefined` counts as an empty one. */
function objectOf(value = {}, what) {
  if (value === null || typeof value !== 'object') throw invalidArgument(`${what} must be an object`);
  return value;
}

/** @param value  an `MCPRequestOptions` */
function checkOptions(value) {
  const options = objectOf(value ?? {}, 'options');
  for (const name of LIMITS) {
    const limit = options[name] ?? 1;
    if (!(typeof limit === 'number' && limit > 0 && limit <= Number.MAX_SAFE_INTEGER)) {
      throw invalidArgument(`options.${name} must be a number of milliseconds above zero`);
    }
  }
  const { signal } = options;
  if (signal === undefined || signal === null) return;
  if (!('aborted' in Object(signal) && typeof signal.addEventListener === 'function')) {
    throw invalidArgument('options.signal must be an AbortSignal');
  }
  // Each request listens for as long as it lasts, and Node warns of more than ten.
  if (signal instanceof EventTarget) setMaxListeners(0, signal);
}

module.exports = { checkOptions, checkText, invalidArgument, objectOf };
