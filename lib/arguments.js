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

/** By a signal of a caller, the one that requests listen to. */
const listenedTo = new WeakMap();

/**
 * A signal that ends with the caller's. Each request listens for as long as it lasts, and Node warns of more than ten; the
 * caller's own signal is left as it is.
 */
function ownSignal(signal) {
  if (!(signal instanceof AbortSignal)) return signal;
  let own = listenedTo.get(signal);
  if (!own) {
    own = AbortSignal.any([signal]);
    setMaxListeners(0, own);
    listenedTo.set(signal, own);
    listenedTo.set(own, own);
  }
  return own;
}

/**
 * @param value  an `MCPRequestOptions`
 * @returns the options that a request is made with
 */
function checkOptions(value) {
  const options = objectOf(value ?? {}, 'options');
  for (const name of LIMITS) {
    const limit = options[name] ?? 1;
    if (!(typeof limit === 'number' && limit > 0 && limit <= Number.MAX_SAFE_INTEGER)) {
      throw invalidArgument(`options.${name} must be a number of milliseconds above zero`);
    }
  }
  const { signal } = options;
  if (signal === undefined || signal === null) return value;
  if (!('aborted' in Object(signal) && typeof signal.addEventListener === 'function')) {
    throw invalidArgument('options.signal must be an AbortSignal');
  }
  return { ...options, signal: ownSignal(signal) };
}

module.exports = { checkOptions, checkText, invalidArgument, objectOf };
