const { logger } = require('@librechat/data-schemas');

/**
 * @typedef {object} Options
 * @property {any} db                          methods of `@librechat/data-schemas`
 * @property {LibreChat.ServerConfigs} mcpServers  of `librechat.yaml`
 * @property {{ allowedDomains: string[] | null, allowedAddresses: string[] }} mcpSettings
 * @property {(serverName: string, config: LibreChat.ServerConfig) => Promise<object>} [inspect]  configs stay as they
 *   are without it
 */

/**
 * Stands for `packages/api/src/mcp/registry/MCPServersRegistry.ts` of June 2026: servers of `librechat.yaml` and, by user,
 * of the database. LibreChat's own also knows who shared a server with whom, caches, and encrypts the secrets of stored
 * configs.
 */
class ServersOfJune {
  /**
   * @param {Options} options
   */
  static createInstance(options) {
    if (ServersOfJune.instance) throw new Error('MCPServersRegistry has already been initialized.');
    ServersOfJune.instance = new ServersOfJune(options);
    return ServersOfJune.instance;
  }

  static getInstance() {
    if (!ServersOfJune.instance) throw new Error('MCPServersRegistry has not been initialized.');
    return ServersOfJune.instance;
  }

  /** @type {ServersOfJune | undefined} */
  static instance;

  /** @param {Options} options */
  constructor({ db, mcpServers, mcpSettings, inspect = async (_, config) => config }) {
    this.db = db;
    this.mcpSettings = mcpSettings;
    this.inspect = inspect;
    /** @type {LibreChat.ServerConfigs} */
    this.yaml = Object.fromEntries(
      Object.entries(mcpServers).map(([name, config]) => [name, { ...config, source: 'yaml' }]),
    );
  }

  /** Inspects the servers of `librechat.yaml`; one that is not there is marked, and does not keep the app from starting. */
  async initialize() {
    for (const [name, config] of Object.entries(this.yaml)) {
      try {
        this.yaml[name] = { ...config, ...(await this.inspect(name, config)) };
      } catch (error) {
        logger.warn(`[MCP] ${name} could not be inspected:`, error);
        this.yaml[name] = { ...config, inspectionFailed: true };
      }
    }
  }

  /**
   * @param {string} serverName
   * @param {string} [userId]
   * @param {LibreChat.ServerConfigs} [configServers]
   * @returns {Promise<LibreChat.ServerConfig | undefined>}
   */
  async getServerConfig(serverName, userId, configServers) {
    const configured = configServers?.[serverName] ?? this.yaml[serverName];
    return configured ?? (await this.storedServers(userId))[serverName];
  }

  /**
   * @param {string} [userId]
   * @param {LibreChat.ServerConfigs} [configServers]
   * @returns {Promise<LibreChat.ServerConfigs>}
   */
  async getAllServerConfigs(userId, configServers) {
    return { ...(await this.storedServers(userId)), ...this.yaml, ...configServers };
  }

  /** @param {string} userId */
  async getOAuthServers(userId) {
    const configs = Object.entries(await this.getAllServerConfigs(userId));
    return new Set(configs.filter(([, config]) => config.requiresOAuth).map(([name]) => name));
  }

  /**
   * @param {string} _
   * @param {LibreChat.ServerConfig} config
   * @param {'DB' | 'CACHE'} _storage
   * @param {string} [userId]
   * @returns {Promise<{ serverName: string, config: LibreChat.ServerConfig }>}
   */
  async addServer(_, config, _storage, userId) {
    const inspected = await this.inspectStored('temp_server_name', config);
    const reservedServerNames = Object.keys(this.yaml);
    return parse(await this.db.createMCPServer({ config: inspected, author: userId, reservedServerNames }));
  }

  /**
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   * @param {'DB'} _storage
   * @param {string} userId
   */
  async updateServer(serverName, config, _storage, userId) {
    await this.own(serverName, userId);
    const inspected = await this.inspectStored(serverName, config);
    return parse(await this.db.updateMCPServer(serverName, { config: inspected })).config;
  }

  /**
   * @param {string} serverName
   * @param {'DB' | 'CACHE'} _storage
   * @param {string} [userId]
   */
  async removeServer(serverName, _storage, userId) {
    await this.own(serverName, userId);
    await this.db.deleteMCPServer(serverName);
  }

  /**
   * @param {string} serverName
   * @param {'DB' | 'CACHE'} _storage
   * @param {string} [userId]
   */
  async reinspectServer(serverName, _storage, userId) {
    const config = await this.getServerConfig(serverName, userId);
    if (!config?.inspectionFailed) throw new Error(`MCP server '${serverName}' is not in a failed state`);
    const { inspectionFailed: _, ...rest } = config;
    const inspected = { ...rest, ...(await this.inspect(serverName, rest)) };
    this.yaml[serverName] = inspected;
    return { serverName, config: inspected };
  }

  shouldEnableSSRFProtection() {
    return !this.mcpSettings.allowedDomains?.length;
  }

  getAllowedDomains() {
    return this.mcpSettings.allowedDomains;
  }

  getAllowedAddresses() {
    return this.mcpSettings.allowedAddresses;
  }

  /**
   * Where a config comes from is not stored with it: the collection says it.
   *
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   */
  async inspectStored(serverName, config) {
    return { ...(await this.inspect(serverName, { ...config, source: 'user' })), source: undefined };
  }

  /**
   * @param {string} [userId]
   * @returns {Promise<LibreChat.ServerConfigs>}
   */
  async storedServers(userId) {
    if (!userId) return {};
    const rows = await this.db.findMCPServersByAuthor(userId);
    return Object.fromEntries(
      rows.map(parse).map((/** @type {ReturnType<typeof parse>} */ row) => [row.serverName, row.config]),
    );
  }

  /**
   * @param {string} serverName
   * @param {string} [userId]
   */
  async own(serverName, userId) {
    const config = (await this.storedServers(userId))[serverName];
    if (!config) throw new Error(`MCP server '${serverName}' not found`);
  }
}

/**
 * A row as LibreChat's parsed config.
 *
 * @param {{ _id: unknown, serverName: string, config: LibreChat.ServerConfig, author: unknown, updatedAt: Date }} row
 */
function parse({ _id, serverName, config, author, updatedAt }) {
  const origin = { source: 'user', dbId: String(_id), author: String(author), updatedAt: updatedAt.getTime() };
  return { serverName, config: { ...config, ...origin } };
}

module.exports = { ServersOfJune };
