const { createPeer, openSdk } = require('./peer');

/** `@modelcontextprotocol/client`. */
const createClient = async (options) => createPeer(openSdk(await import('@modelcontextprotocol/client')), options);

module.exports = { createClient };
