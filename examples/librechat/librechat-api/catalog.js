/**
 * Stands for `packages/api/src/mcp/tools.ts` and `catalog/store.ts`: tools of servers, as functions, in a cache. A user's
 * list is kept only under the generation that is current; a list that all users share only in the order of revisions.
 */

const { createHash, randomUUID } = require('node:crypto');
const { Constants, MCPOptionsSchema } = require('librechat-data-provider');
const {
  canUseAppConnection,
  normalizeServerName,
  processMCPEnv,
  requiresEphemeralUserConnection,
} = require('librechat-mcp-native');

/**
 * The same value with the keys of its objects in order.
 *
 * @param {any} value
 * @returns {any}
 */
function inOrder(value) {
  if (Array.isArray(value)) return value.map(inOrder);
  if (value === null || typeof value !== 'object') return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, inOrder(value[name])]));
}

/**
 * What a configuration's tools are kept under, and nothing that an inspection added to it.
 *
 * @param {LibreChat.ServerConfig} config
 */
function getMCPAppToolsPublicationGeneration(config) {
  const options = MCPOptionsSchema.parse(processMCPEnv({ options: config }));
  return createHash('sha256')
    .update(JSON.stringify(inOrder(options)))
    .digest('hex');
}

/**
 * @param {string} serverName
 * @param {{ name: string, description?: string, inputSchema?: object }[]} tools
 * @returns {Record<string, object>}
 */
function asFunctions(serverName, tools) {
  const named = tools.map(({ name, description = '', inputSchema }) => {
    const key = `${name}${Constants.mcp_delimiter}${normalizeServerName(serverName)}`;
    const parameters = inputSchema ?? { type: 'object', properties: {} };
    return [key, { type: 'function', function: { name: key, description, parameters } }];
  });
  return Object.fromEntries(named);
}

/**
 * @param {object} services
 * @param {import('keyv').Keyv} services.cache
 * @param {() => any} services.registry
 * @param {{ warn(message: string): void }} services.logger
 */
function createCatalog({ cache, registry, logger }) {
  /** @typedef {{ userId: string, serverName: string }} Slice */
  /** @param {Slice} slice */
  const generationKey = ({ userId, serverName }) => `generation:${userId}:${serverName}`;
  /**
   * @param {Slice} slice
   * @param {string} configGeneration
   */
  const userKey = ({ userId, serverName }, configGeneration) => `tools:${userId}:${serverName}:${configGeneration}`;
  /**
   * @param {string} serverName
   * @param {string} configGeneration
   */
  const appKey = (serverName, configGeneration) => `app-tools:${serverName}:${configGeneration}`;

  /** @param {Slice} slice */
  async function invalidateCachedTools(slice) {
    await cache.set(generationKey(slice), randomUUID());
  }

  /**
   * @param {Slice} slice
   * @returns {Promise<string>}
   */
  async function getMCPToolsCacheGeneration(slice) {
    const key = generationKey(slice);
    if (!(await cache.get(key))) await cache.set(key, randomUUID());
    return /** @type {Promise<string>} */ (cache.get(key));
  }

  /** @param {Slice & { publicationGeneration: string }} slice */
  async function renewMCPToolsCacheGeneration({ publicationGeneration, ...slice }) {
    return (await cache.get(generationKey(slice))) === publicationGeneration;
  }

  /**
   * @param {string} serverName
   * @param {string} configGeneration
   */
  async function getNextAppToolsPublicationRevision(serverName, configGeneration) {
    const key = `revision:${serverName}:${configGeneration}`;
    const revision = Number((await cache.get(key)) ?? 0) + 1;
    await cache.set(key, revision);
    return String(revision);
  }

  /**
   * @param {Record<string, object>} serverTools
   * @param {Slice & { configGeneration: string, publicationGeneration: string }} where
   */
  async function setCachedToolsIfCurrent(serverTools, { configGeneration, publicationGeneration, ...slice }) {
    if (!(await renewMCPToolsCacheGeneration({ ...slice, publicationGeneration }))) return false;
    await cache.set(userKey(slice, configGeneration), serverTools);
    return true;
  }

  /**
   * @param {string} serverName
   * @param {string} configGeneration
   * @param {Record<string, object>} tools
   * @param {string} revision
   */
  async function setCachedAppServerTools(serverName, configGeneration, tools, revision) {
    const key = appKey(serverName, configGeneration);
    const known = /** @type {any} */ (await cache.get(key));
    if (known && Number(known.revision) > Number(revision)) return false;
    await cache.set(key, { revision, tools });
    return true;
  }

  /**
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config
   */
  const isShared = async (serverName, config) =>
    canUseAppConnection(config) && (await registry().isAppServerConfig(serverName, config));

  /**
   * Resolves to the tools as functions, or to null where somebody has newer ones.
   *
   * @param {object} update
   * @param {string} [update.userId]
   * @param {string} update.serverName
   * @param {Record<string, object>} update.serverTools
   * @param {LibreChat.ServerConfig} [update.serverConfig]  the effective one, with overlays
   * @param {string} [update.publicationGeneration]
   * @param {string} [update.publicationRevision]
   */
  async function cacheMCPServerTools(update) {
    const { userId, serverName, serverTools, publicationGeneration, publicationRevision } = update;
    const config = update.serverConfig ?? (await registry().getServerConfig(serverName, userId));
    if (requiresEphemeralUserConnection(config)) return serverTools;
    const configGeneration = getMCPAppToolsPublicationGeneration(config);
    if (userId && !(await isShared(serverName, config))) {
      if (!publicationGeneration) return null;
      const where = { userId, serverName, configGeneration, publicationGeneration };
      return (await setCachedToolsIfCurrent(serverTools, where)) ? serverTools : null;
    }
    if (!publicationRevision) {
      logger.warn(`[MCP Cache] Serving unpublished tools for ${serverName}: this snapshot reserved no revision`);
      return serverTools;
    }
    const isNewest = await setCachedAppServerTools(serverName, configGeneration, serverTools, publicationRevision);
    return isNewest ? serverTools : null;
  }

  /** @param {Omit<Parameters<typeof cacheMCPServerTools>[0], 'serverTools'> & { tools: any[] }} update */
  const updateMCPServerTools = ({ tools, ...update }) =>
    cacheMCPServerTools({ ...update, serverTools: asFunctions(update.serverName, tools) });

  /**
   * @param {string} userId
   * @param {string} serverName
   * @param {LibreChat.ServerConfig} config  the effective one
   * @returns {Promise<Record<string, object> | undefined>}
   */
  async function getMCPServerTools(userId, serverName, config) {
    const configGeneration = getMCPAppToolsPublicationGeneration(config);
    if (!(await isShared(serverName, config))) return cache.get(userKey({ userId, serverName }, configGeneration));
    return /** @type {any} */ (await cache.get(appKey(serverName, configGeneration)))?.tools;
  }

  return {
    cacheMCPServerTools,
    getMCPServerTools,
    getMCPToolsCacheGeneration,
    getNextAppToolsPublicationRevision,
    invalidateCachedTools,
    renewMCPToolsCacheGeneration,
    updateMCPServerTools,
  };
}

module.exports = { createCatalog, getMCPAppToolsPublicationGeneration };
