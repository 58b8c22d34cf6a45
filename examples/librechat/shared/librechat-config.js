/** `librechat.yaml`: the sections `mcpServers`, `mcpSettings` and `interface`. */

module.exports = {
  mcpServers: {
    everything: {
      type: 'streamable-http',
      url: process.env.EVERYTHING_URL,
      requiresOAuth: false,
      // A connection for each user.
      startup: false,
    },
    protected: {
      type: 'streamable-http',
      url: process.env.PROTECTED_URL,
      requiresOAuth: true,
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
