const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { createPeer, openSdk } = require('./peer');

/** `@modelcontextprotocol/sdk`. */
const createClient = (options) => createPeer(openSdk({ Client, StreamableHTTPClientTransport }), options);

module.exports = { createClient };
