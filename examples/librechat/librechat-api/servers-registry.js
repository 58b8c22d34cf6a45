const { isDeepStrictEqual } = require('node:util');
const { logger } = require('@librechat/data-schemas');
const { ServersOfJune } = require('./servers-of-june');

/**
 * @typedef {{ allowedDomains?: string[] | null, allowedAddresses?: string[] | null }} Allowlists
 * @typedef {ConstructorParameters<typeof ServersOfJune>[0] & {
 *   resolveAllowlists?: (actor?: { userId?: string, role?: string }) => Promise<Allowlists>
 * }} Options  the lists that hold for who acts, with what administrators changed for them
 */

/** @type {MCPServersRegistry | undefined} */
let instance;

/**
 * Stands for `packages/api/src/mcp/registry/MCPServersRegistry.ts` of August 2026. Servers of `librechat.yaml` are added
 * when the manager is made; what administrators change for somebody comes over them (`configServers`).
 */
class MCPServersRegistry extends ServersOfJune {
  /** @param {Options} options */
  static createInstance(options) {
    if (instance) throw new Error('MCPServersRegistry has already been initialized.');
    instance = new MCPServersRegistry(options);
    return instance;
  }

  static getInstance() {
    if (!instance) throw new Error('MCPServersRegistry has not been initialized.');
    return instance;
  }

  /** @param {Options} options */
  constructor({ resolveAllowlists, ...options }) {
    super(options);
    this.allowlistResolver = resolveAllowlists;
  }

  /**
   * @param {string} serverName
   * @param {string} [userId]
   * @param {LibreChat.ServerConfigs} [configServers]
   */
  async getServerConfig(serverName, userId, configServers) {
    const base = await super.getServerConfig(serverName, userId);
    const overlay = configServers?.[serverName];
    if (!overlay || base?.source === 'user') return base;
    if (overlay.inspectionFailed) return base ?? overlay;
    return base ? { ...overlay, source: base.source } : overlay;
  }

  /**
   * @param {string} [userId]
   * @param {LibreChat.ServerConfigs} [configServers]
   */
  async getAllServerConfigs(userId, configServers = {}) {
    const all = await super.getAllServerConfigs(userId);
    for (const serverName of Object.keys(configServers)) {
      const config = await this.getServerConfig(serverName, userId, configServers);
      if (config) all[serverName] = config;
    }
    return all;
  }

  /**
   * Overlays, inspected as far as it is needed: those that equal what everybody has are no overlays.
   *
   * @param {LibreChat.ServerConfigs} mcpConfig
   */
  async ensureConfigServers(mcpConfig) {
    /** @type {LibreChat.ServerConfigs} */
    const overlays = {};
    for (const [serverName, config] of Object.entries(mcpConfig)) {
      const base = this.yaml[serverName];
      const isOther = !base || Object.keys(config).some((name) => !isDeepStrictEqual(config[name], base[name]));
      if (isOther) overlays[serverName] = { ...base, ...config, source: 'config' };
    }
    return overlays;
  }

  /**
   * Whether a config is the one that everybody has.
   *
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} effectiveConfig
   */
  async isAppServerConfig(serverName, effectiveConfig) {
    const base = await this.getServerConfig(serverName);
    return base !== undefined && isDeepStrictEqual(base, effectiveConfig);
  }

  /** @param {{ userId?: string, role?: string }} [actor] */
  async resolveAllowlists(actor) {
    /** @type {Allowlists} */
    let lists = this.mcpSettings;
    try {
      if (this.allowlistResolver) lists = await this.allowlistResolver(actor);
    } catch (error) {
      logger.warn('[MCPServersRegistry] Allowlist resolver failed; falling back to YAML base allowlists', error);
    }
    const { allowedDomains, allowedAddresses } = lists;
    return { allowedDomains, allowedAddresses, useSSRFProtection: !allowedDomains?.length };
  }

  /**
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   * @param {'DB' | 'CACHE'} storage
   * @param {string} [userId]
   */
  async addServer(serverName, config, storage, userId) {
    if (storage === 'DB') return super.addServer(serverName, config, storage, userId);
    const inspected = await this.inspect(serverName, { ...config, source: 'yaml' });
    this.yaml[serverName] = { ...config, ...inspected, source: 'yaml', updatedAt: Date.now() };
    return { serverName, config: this.yaml[serverName] };
  }

  /**
   * For one that cannot be inspected: it is there, and can be reinitialized.
   *
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   */
  async addServerStub(serverName, config) {
    this.yaml[serverName] = { ...config, source: 'yaml', inspectionFailed: true, updatedAt: Date.now() };
    return { serverName, config: this.yaml[serverName] };
  }

  /**
   * @param {string} serverName
   * @param {'DB' | 'CACHE'} storage
   * @param {string} [userId]
   */
  async removeServer(serverName, storage, userId) {
    if (storage === 'DB') return super.removeServer(serverName, storage, userId);
    delete this.yaml[serverName];
  }
}

module.exports = { MCPServersRegistry };
