/** `api/cache` of LibreChat: a Keyv per namespace; Redis instead of memory where several processes serve users. */

const { Keyv } = require('keyv');

/** @type {Map<string, Keyv>} */
const stores = new Map();

/**
 * @param {string} namespace
 * @returns {Keyv}
 */
function getLogStores(namespace) {
  const store = stores.get(namespace) ?? new Keyv({ namespace });
  stores.set(namespace, store);
  return store;
}

module.exports = { getLogStores };
