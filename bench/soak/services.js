/** Host services in memory that keep nothing of what they are asked, and `others`. */
function createServices({ configs, allowedAddresses }, others) {
  return {
    ...others,
    registry: {
      getServerConfig: async (name) => configs[name],
      getAllServerConfigs: async () => configs,
      reinspectServer: async (name) => {
        throw new Error(`${name} has not failed its inspection`);
      },
      shouldEnableSSRFProtection: () => true,
      getAllowedDomains: () => null,
      getAllowedAddresses: () => allowedAddresses,
    },
  };
}

module.exports = { createServices };
