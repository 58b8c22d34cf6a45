/** `librechat.yaml`: the sections `mcpServers`, `mcpSettings` and `interface`. */

const { CLIENT_METADATA_URL } = process.env;
/** Where the example can be reached over https, its client is the document at this URL; else one is registered. */
const client = CLIENT_METADATA_URL && { oauth: { client_id: CLIENT_METADATA_URL, scope: 'mcp offline_access' } };

module.exports = {
  mcpServers: {
    everything: {
      type: 'streamable-http',
      url: process.env.EVERYTHING_URL,
      requiresOAuth: false,
      // A connection for each user.
      startup: false,
    },
    // One connection for all.
    shared: {
      type: 'streamable-http',
      url: process.env.EVERYTHING_URL,
      requiresOAuth: false,
    },
    protected: {
      type: 'streamable-http',
      url: process.env.PROTECTED_URL,
      requiresOAuth: true,
      // Processes take turns with refresh tokens, by the leases of the flow manager.
      oauthRefreshCoordination: true,
      ...client,
    },
    // Users who signed in with the organization's account need not sign in to it.
    organization: {
      type: 'streamable-http',
      url: process.env.ON_BEHALF_URL,
      obo: { scopes: `${process.env.ON_BEHALF_URL}/.default` },
    },
  },
  mcpSettings: {
    allowedDomains: null,
    allowedAddresses: process.env.ALLOWED_ADDRESSES.split(','),
  },
  interface: {
    mcpServers: { use: true, create: true },
  },
};
