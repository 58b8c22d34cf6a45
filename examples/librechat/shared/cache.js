/** `api/cache` of LibreChat: a Keyv per namespace; Redis instead of memory where several processes serve users. */

const { Keyv } = require('keyv');

const stores = new Map();

function getLogStores(namespace) {
  if (!stores.has(namespace)) stores.set(namespace, new Keyv({ namespace }));
  return stores.get(namespace);
}

module.exports = { getLogStores };
