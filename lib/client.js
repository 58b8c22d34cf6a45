/** `runtime.client`: an MCP client of one user and server, over requests that the addon makes. */

const { EventEmitter } = require('node:events');
const { Apps } = require('./apps.js');

const EVENTS = ['connectionChange', 'toolsChanged', 'resourcesChanged', 'promptsChanged', 'resourceUpdated'];

/** From this revision on there are no sessions: a request says by itself what a server would have remembered. */
const STATELESS = '2026-07-28';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

const SHARED =
  'Several users share this connection, and what one of them sets would hold for all (`shared: false` in the server’s config gives each user a connection)';

/** By `MCPConnection` and URI: how many clients are subscribed to the resource. */
const subscriptions = new WeakMap();

const refused = (message) => Object.assign(new TypeError(message), { code: 'MCP_INVALID_ARGUMENT', retryable: false });

/** See `MCPClient` in `index.d.ts`. */
class MCPClient {
  #native;
  #apps;
  #params;
  #logLevel;
  /** Made with the first listener. */
  #events;
  /** The `MCPConnection` that the events come from. */
  #connection;
  #passOn;
  /** Of the resources that the client is subscribed to. */
  #uris = new Set();

  constructor(native, apps, serverName, params) {
    this.#native = native;
    this.#apps = apps;
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

  async connect(options) {
    await this.#native.connect({ ...this.#params, options });
    this.#listen();
  }

  async request({ method, params }, options) {
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

  async resumeTask(task, options) {
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

  async subscribeResource({ uri }, options) {
    this.#emitter();
    await this.connect(options);
    const connection = this.#connection;
    await connection.subscribeResource(uri, options?.signal);
    if (this.#uris.has(uri)) return;
    this.#uris.add(uri);
    const counts = subscriptions.get(connection) ?? new Map();
    subscriptions.set(connection, counts.set(uri, (counts.get(uri) ?? 0) + 1));
  }

  async unsubscribeResource({ uri }, options) {
    if (!this.#uris.delete(uri)) return;
    const connection = this.#connection;
    const counts = subscriptions.get(connection);
    const others = counts.get(uri) - 1;
    if (others > 0) {
      counts.set(uri, others);
      return;
    }
    counts.delete(uri);
    await connection.unsubscribeResource(uri, options?.signal);
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

  readApp(app, options) {
    return this.#apps.readApp(this.#owner(), app, options);
  }

  callAppTool(params, options) {
    return this.#apps.callTool(this.#owner(), params, options);
  }

  readAppResource(params, options) {
    return this.#apps.readResource(this.#owner(), params, options);
  }

  async ping(options) {
    const method = (await this.#isStateless(options)) ? 'server/discover' : 'ping';
    await this.request({ method }, options);
    return {};
  }

  async setLoggingLevel(level, options) {
    if (await this.#isStateless(options)) {
      this.#logLevel = level;
      return {};
    }
    this.#refuseWhereShared();
    return this.request({ method: 'logging/setLevel', params: { level } }, options);
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
    // A user's own connection ends with its subscriptions, and nobody waits for what becomes of others.
    for (const uri of this.#uris) this.unsubscribeResource({ uri }).catch(() => {});
    this.#listenTo(undefined);
    this.#events = undefined;
    await this.#native.close();
  }

  /** Whose apps are read. */
  #owner() {
    const { serverName, user } = this.#params;
    return { client: this, serverName, userId: user?.id, configIdentity: () => this.#native.configIdentity() };
  }

  async #isStateless(options) {
    if (this.protocolVersion === undefined) await this.connect(options);
    return this.protocolVersion >= STATELESS;
  }

  #withLevel(params) {
    if (this.#logLevel === undefined) return params;
    return { ...params, _meta: { [LOG_LEVEL]: this.#logLevel, ...params?._meta } };
  }

  #refuseWhereShared() {
    if (this.#params.user && this.#native.isShared()) throw refused(SHARED);
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
    if (event === 'resourceUpdated' && ![...this.#uris].some((uri) => args[0].uri.startsWith(uri))) return;
    const listeners = this.#events?.rawListeners(event) ?? [];
    return Promise.all(listeners.map(async (listener) => listener.apply(this, args)));
  }
}

/** @param {(host: any) => any} create  makes a runtime whose `client()` is what a client makes its requests through */
function withClients(create) {
  return function createMCPRuntime(host) {
    const runtime = create(host);
    const { client } = runtime;
    const apps = new Apps(host);
    runtime.client = (serverName, params) => {
      if (typeof serverName !== 'string') throw refused('client: serverName must be a string');
      if (params !== undefined && (params === null || typeof params !== 'object')) {
        throw refused('client: the parameters must be an object');
      }
      return new MCPClient(client(), apps, serverName, params);
    };
    return runtime;
  };
}

module.exports = { withClients };
