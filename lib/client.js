/** `runtime.client`: an MCP client of one user and server, over requests that the addon makes. */

const { EventEmitter } = require('node:events');
const { checkOptions, checkText, invalidArgument, objectOf } = require('./arguments.js');
const { covers, forget, isSubscribed, subscribe, unsubscribe } = require('./resource-subscriptions.js');

const EVENTS = ['connectionChange', 'toolsChanged', 'resourcesChanged', 'promptsChanged', 'resourceUpdated'];

/** From this revision on there are no sessions: a request says by itself what a server would have remembered. */
const STATELESS = '2026-07-28';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

const SHARED =
  'Several users share this connection, and what one of them sets would hold for all (`shared: false` in the server’s config gives each user a connection)';

const SET_LEVEL = 'logging/setLevel';
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

const fault = (code, message, retryable) => Object.assign(new Error(message), { code, retryable });
const closed = () => fault('MCP_CLOSED', 'The MCP client is closed', false);

/** See `MCPClient` in `index.d.ts`. */
class MCPClient {
  #native;
  #apps;
  /** Whether connections are kept after a call. */
  #keeps;
  #params;
  #logLevel;
  /** Made with the first listener. */
  #events;
  /** The `MCPConnection` that the events come from. */
  #connection;
  #passOn;
  /** Of the resources that the client is subscribed to. */
  #uris = new Set();
  /** Made with the first subscription, else when the client closes. */
  #closing;

  constructor(native, { apps, keeps }, serverName, params) {
    this.#native = native;
    this.#apps = apps;
    this.#keeps = keeps;
    this.#params = { ...params, serverName };
  }

  get serverName() {
    return this.#params.serverName;
  }

  get serverInfo() {
    return this.#native.described()?.serverInfo;
  }

  get protocolVersion() {
    return this.#native.described()?.protocolVersion;
  }

  get capabilities() {
    return this.#native.described()?.capabilities;
  }

  get instructions() {
    return this.#native.described()?.instructions;
  }

  async connect(given) {
    const options = checkOptions(given);
    await this.#native.connect({ ...this.#params, options });
    this.#listen();
  }

  async request(request, given) {
    const { method, params } = objectOf(request, 'request: the request');
    checkText(method, 'request: method');
    const options = checkOptions(given);
    if (method === SET_LEVEL) await this.#refuseWhereShared(options);
    const result = await this.#native.request({ ...this.#params, method, params: this.#withLevel(params), options });
    this.#listen();
    return result;
  }

  listTools(params, options) {
    return this.request({ method: 'tools/list', params }, options);
  }

  callTool(params, options) {
    return this.request({ method: 'tools/call', params }, options);
  }

  async resumeTask(task, given) {
    const options = checkOptions(given);
    const method = 'tools/call';
    const params = this.#withLevel({ name: task?.toolName });
    const result = await this.#native.request({ ...this.#params, method, params, task: Object(task), options });
    this.#listen();
    return result;
  }

  listResources(params, options) {
    return this.request({ method: 'resources/list', params }, options);
  }

  listResourceTemplates(params, options) {
    return this.request({ method: 'resources/templates/list', params }, options);
  }

  readResource(params, options) {
    return this.request({ method: 'resources/read', params }, options);
  }

  async subscribeResource(params, options) {
    const { uri } = objectOf(params, 'subscribeResource: the parameters');
    checkText(uri, 'subscribeResource: uri');
    if (!this.#keeps) {
      throw invalidArgument('subscribeResource: a subscription needs a connection that is kept (`keepConnections`)');
    }
    this.#emitter();
    await this.connect(options);
    this.#closing ??= new AbortController();
    const closing = this.#closing.signal;
    if (closing.aborted) throw closed();
    const connection = this.#connection;
    if (!connection) throw fault('MCP_CONNECTION_LOST', 'The connection ended before the subscription', true);
    const isNew = !this.#uris.has(uri);
    this.#uris.add(uri);
    try {
      await subscribe(connection, uri, this, AbortSignal.any(options?.signal ? [options.signal, closing] : [closing]));
    } catch (error) {
      if (closing.aborted) throw closed();
      if (isNew) this.#uris.delete(uri);
      throw error;
    }
    if (!closing.aborted) this.#uris.add(uri);
  }

  async unsubscribeResource(params, given) {
    const { uri } = objectOf(params, 'unsubscribeResource: the parameters');
    checkText(uri, 'unsubscribeResource: uri');
    const options = checkOptions(given);
    if (this.#uris.delete(uri)) await unsubscribe(this.#connection, uri, this, options?.signal);
  }

  listPrompts(params, options) {
    return this.request({ method: 'prompts/list', params }, options);
  }

  getPrompt(params, options) {
    return this.request({ method: 'prompts/get', params }, options);
  }

  complete(params, options) {
    return this.request({ method: 'completion/complete', params }, options);
  }

  async readApp(app, options) {
    return this.#apps().readApp(this.#owner(), app, options);
  }

  async callAppTool(params, options) {
    return this.#apps().callTool(this.#owner(), params, options);
  }

  async readAppResource(params, options) {
    return this.#apps().readResource(this.#owner(), params, options);
  }

  async ping(options) {
    const method = (await this.#isStateless(options)) ? 'server/discover' : 'ping';
    await this.request({ method }, options);
    return {};
  }

  async setLoggingLevel(level, options) {
    if (!LEVELS.includes(level)) throw invalidArgument(`setLoggingLevel: level must be one of ${LEVELS.join(', ')}`);
    if (await this.#isStateless(options)) {
      this.#logLevel = level;
      return {};
    }
    return this.request({ method: SET_LEVEL, params: { level } }, options);
  }

  on(event, listener) {
    this.#emitter().on(event, listener);
    this.#listen();
    return this;
  }

  once(event, listener) {
    this.#emitter().once(event, listener);
    this.#listen();
    return this;
  }

  off(event, listener) {
    this.#events?.off(event, listener);
    return this;
  }

  async close() {
    this.#closing ??= new AbortController();
    this.#closing.abort();
    const connection = this.#connection ?? this.#native.knownConnection();
    this.#listenTo(undefined);
    this.#events = undefined;
    try {
      await this.#native.close(isSubscribed(connection));
    } catch (error) {
      // With the runtime.
      if (error.code !== 'MCP_CLOSED') throw error;
    }
  }

  /** Whose apps are read. */
  #owner() {
    const { serverName, user } = this.#params;
    return {
      client: this,
      serverName,
      userId: this.#native.userId({ user }),
      configIdentity: () => this.#native.configIdentity(),
      listTools: (options) => this.#native.request({ ...this.#params, method: 'tools/list', anew: true, options }),
    };
  }

  async #isStateless(options) {
    if (this.protocolVersion === undefined) await this.connect(options);
    return this.protocolVersion >= STATELESS;
  }

  #withLevel(params) {
    if (this.#logLevel === undefined) return params;
    return { ...params, _meta: { [LOG_LEVEL]: this.#logLevel, ...params?._meta } };
  }

  async #refuseWhereShared(options) {
    if (this.protocolVersion === undefined) await this.connect(options);
    if (this.#native.isShared()) throw invalidArgument(SHARED);
  }

  #emitter() {
    this.#events ??= new EventEmitter();
    return this.#events;
  }

  /** Connections come and go; the object that emits what happens to them is known once there was one. */
  #listen() {
    const connection = this.#events && this.#native.connection();
    if (connection && connection !== this.#connection) this.#listenTo(connection);
  }

  #listenTo(connection) {
    // A user's own connection ends with its subscriptions, and nobody waits for what becomes of others.
    for (const uri of this.#uris) unsubscribe(this.#connection, uri, this).catch(() => {});
    this.#uris.clear();
    for (const event of EVENTS) this.#connection?.off(event, this.#passOn[event]);
    this.#connection = connection;
    if (!connection) return;
    this.#passOn ??= Object.fromEntries(EVENTS.map((event) => [event, (...args) => this.#tell(event, args)]));
    // Each client of a connection that users share listens.
    connection.setMaxListeners(0);
    for (const event of EVENTS) connection.on(event, this.#passOn[event]);
  }

  /** Every listener hears of it, whatever others throw; the addon counts what fails. */
  #tell(event, args) {
    // Over a connection that users share, others may be subscribed to more.
    if (event === 'resourceUpdated' && ![...this.#uris].some((uri) => covers(uri, args[0].uri))) return;
    if (event === 'connectionChange' && args[0] === 'disconnected') {
      for (const uri of this.#uris) forget(this.#connection, uri, this);
      this.#uris.clear();
    }
    const listeners = this.#events?.rawListeners(event) ?? [];
    return Promise.all(listeners.map(async (listener) => listener.apply(this, args)));
  }
}

/** A client as `runtime.client` makes it, over an object of the addon's that `native` makes. */
function makeClient(native, common, serverName, params) {
  if (typeof serverName !== 'string') throw invalidArgument('client: serverName must be a string');
  if (params !== undefined && (params === null || typeof params !== 'object')) {
    throw invalidArgument('client: the parameters must be an object');
  }
  return new MCPClient(native(), common, serverName, params);
}

module.exports = { makeClient };
