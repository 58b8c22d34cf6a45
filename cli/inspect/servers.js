/** The servers of the configuration as the page shows them: how each one is, and requests. */

const { setTimeout: delay } = require('node:timers/promises');
const { authorizationOf } = require('../authorization');
const { serverOf } = require('../config');
const { checkToken, claimsOf, exchangeOf } = require('../exchange');
const { summary } = require('../output');
const { USER } = require('../runtime');
const { knownOf, obstacle, transportOf } = require('../server');
const { missingVariables } = require('../unexpanded');
const { fault } = require('./fault');
const { Logins } = require('./logins');

/** How many servers are connected at a time when the page begins. */
const CONCURRENCY = 16;
/** A server that takes longer goes on, and does not hold up the next one. */
const PATIENCE_MS = 3000;
/** A person answers what a server asks during a call. */
const CALL_TIMEOUT_MS = 300_000;
const METHODS = new Set([
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'tools/call',
  'tools/list',
]);
/** Types of authorization for which tokens come from elsewhere. */
const WITHOUT_LOGIN = new Set(['obo', 'enterprise', 'clientCredentials', 'workload']);
/** States of a server that there was a connection with: what fails then is a request. */
const WITH_CONNECTION = new Set(['connected', 'disconnected']);
/** A connection that these come from is none any more, whatever it was; the next request makes another one. */
const UNREACHABLE = new Set(['MCP_CONNECTION_FAILED', 'MCP_CONNECTION_LOST', 'MCP_CIRCUIT_OPEN']);
/** What a page lists again when it changes, by event of the client. */
const LISTS = { toolsChanged: 'tools', resourcesChanged: 'resources', promptsChanged: 'prompts' };

class Servers {
  #context;
  #tell;
  #servers = new Map();
  /** A `Logins`. */
  logins;

  /**
   * @param context  of `withRuntime`
   * @param tell     hears of changes, as events for the page
   */
  constructor(context, tell) {
    this.#context = context;
    this.#tell = tell;
    for (const name of Object.keys(context.config.servers))
      this.#servers.set(name, { state: { name, state: 'waiting' } });
    this.logins = new Logins(context, {
      client: (name, how) => this.#client(name, how),
      connect: (name) => this.connect({ server: name }),
      told: (name, error) => this.#told(name, error, { oauth: true, isLogin: true }),
      tell: (name, login) => this.#change(name, { login }),
    });
  }

  /** As an event for the page. */
  get event() {
    return {
      type: 'servers',
      file: this.#context.config.file,
      servers: [...this.#servers.values()].map((s) => s.state),
    };
  }

  /** Connects with all of them, as far as that needs nobody. */
  async connectAll() {
    const names = [...this.#servers.keys()];
    const worker = async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        await Promise.race([this.#connect(name), delay(PATIENCE_MS, undefined, { ref: false })]);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  }

  /** Connects with one of them anew. */
  async connect({ server: name }) {
    const server = this.#server(name);
    const { client } = server;
    server.client = undefined;
    await client?.close();
    await this.#connect(name);
  }

  /** What comes of it stands in the server's state. */
  async #connect(name) {
    this.#change(name, { state: 'connecting', error: undefined });
    try {
      const server = this.#server(name);
      this.#change(name, await this.#described(name));
      const hindered = obstacle(this.#context, name);
      if (hindered) return this.#change(name, { state: 'failed', error: hindered });
      server.client ??= this.#listen(name, this.#client(name, { authorize: false }));
      await server.client.connect({ maxTotalTimeout: CALL_TIMEOUT_MS });
      return await this.#connected(name);
    } catch (error) {
      return this.#failed(name, error);
    }
  }

  /**
   * One request of the page: `{ result }`, or `{ error: { code, message, hint }, isShown }`, where `isShown` says that the
   * error stands in the server's state. Its progress is told as events with the page's own name for it, `ask`.
   */
  async request({ server: name, method, params, ask }, signal) {
    if (!METHODS.has(method)) throw fault(400, 'there is no such request');
    const server = this.#server(name);
    if (!server.client) await this.#connect(name);
    if (!server.client) return { error: server.state.error, isShown: true };
    try {
      const onprogress = (progress) => this.#tell({ type: 'progress', ask, progress });
      const options = { signal, timeout: CALL_TIMEOUT_MS, onprogress };
      const result = await server.client.request({ method, params }, options);
      if (server.state.state !== 'connected') this.#change(name, { state: 'connected', error: undefined });
      return { result };
    } catch (error) {
      const { state } = server.state;
      if (signal.aborted || WITH_CONNECTION.has(state)) {
        if (state === 'connected' && UNREACHABLE.has(error.code)) this.#change(name, { state: 'disconnected' });
        return { error: this.#told(name, error) };
      }
      this.#failed(name, error);
      return { error: server.state.error, isShown: true };
    }
  }

  /**
   * Exchanges a token of the user for one that the server takes, with which calls are made from then on:
   * `{ result: { tokens: [{ title, claims }], expiresIn, scope } }`, or `{ error }`.
   */
  async exchange({ server: name, token }) {
    let exchange;
    try {
      exchange = exchangeOf(this.#context, name);
      await exchange.prepare();
      checkToken(exchange.kind, String(token), { where: 'was given', hint: 'Give it without the word Bearer.' });
    } catch (error) {
      return { error: summary(error) };
    }
    try {
      const made = await exchange.make(token);
      this.#server(name).user = exchange.userWith(token);
      // What comes of it stands in the server's state.
      this.connect({ server: name });
      const { expiresIn, scope } = made;
      return { result: { expiresIn, scope, tokens: tokensOf(exchange.kind, token, made) } };
    } catch (error) {
      return { error: exchange.failureOf(error) };
    }
  }

  #server(name) {
    serverOf(this.#context.config, name);
    return this.#servers.get(name);
  }

  #client(name, how) {
    const { runtime, userVars } = this.#context;
    const { user = USER } = this.#servers.get(name);
    return runtime.client(name, { user, customUserVars: userVars.of(name), ...how });
  }

  #listen(name, client) {
    client.on('connectionChange', (state) => {
      if (state === 'disconnected' || state === 'error') this.#change(name, { state: 'disconnected' });
      if (state === 'connected') this.#change(name, { state: 'connected', error: undefined });
    });
    for (const [event, list] of Object.entries(LISTS)) {
      client.on(event, () => this.#tell({ type: 'changed', server: name, list }));
    }
    client.on('toolsChanged', () => this.#count(name, client));
    return client;
  }

  /** Where the tools cannot be listed, the page says so when they are looked at. */
  async #count(name, client) {
    const { tools } = await client.listTools().catch(() => ({}));
    if (tools) this.#change(name, { tools: tools.length });
  }

  /** What the configuration says of a server, and which rules of LibreChat hold for it. */
  async #described(name) {
    const { config, userVars } = this.#context;
    const server = config.servers[name];
    const known = knownOf(this.#context, name);
    const text = JSON.stringify(server);
    const authorization = await authorizationOf(this.#context, name, { ask: false });
    const { allowedDomains = null, allowedAddresses = null } = config.document.mcpSettings ?? {};
    return {
      title: server.title,
      description: server.description,
      transport: transportOf(server),
      address: known.address ?? server.command,
      authorization,
      canLogIn: Boolean(server.url) && !WITHOUT_LOGIN.has(authorization.type),
      canExchange: Boolean(server.obo?.scopes) || server.oauth?.grant === 'enterprise',
      rules: {
        placeholders: [...new Set(text.match(/\{\{\w+\}\}/g))],
        environment: { missing: missingVariables(server) },
        userVariables: Object.keys(server.customUserVars ?? {}).map((variable) => ({
          name: variable,
          isSet: Object.hasOwn(userVars.of(name), variable),
        })),
        allowedDomains,
        allowedAddresses,
      },
    };
  }

  async #connected(name) {
    const { client } = this.#servers.get(name);
    const { serverInfo, protocolVersion, capabilities, instructions } = client;
    const { tools } = await client.listTools();
    const found = { serverInfo, protocolVersion, capabilities, instructions, tools: tools.length };
    this.#change(name, { state: 'connected', error: undefined, ...found });
  }

  #failed(name, error) {
    const state = error.code === 'MCP_AUTHORIZATION_REQUIRED' ? 'login' : 'failed';
    this.#change(name, { state, error: this.#told(name, error, { oauth: state === 'login' }) });
  }

  #told(name, error, more) {
    const known = knownOf(this.#context, name, more);
    const told = summary(error, known);
    return { ...told, hint: onPage(told.hint, known) };
  }

  #change(name, members) {
    const server = this.#servers.get(name);
    server.state = { ...server.state, ...members };
    this.#tell({ type: 'server', server: server.state });
  }
}

/** A hint that names parts of the page where it names commands for the same. */
const onPage = (hint, { login, obo }) =>
  hint
    .replaceAll(`Run: ${login}`, 'Log in, in the part Login')
    .replaceAll(login, 'the part Login')
    .replaceAll(obo, 'the part On behalf of')
    .replaceAll(' (--timeout)', '');

/** The tokens of an exchange, in their order, each with its claims. */
function tokensOf(kind, token, { claims, idToken, idJag }) {
  if (kind === 'ID') {
    return [
      { title: "The user's ID token", claims: idToken },
      { title: 'The ID-JAG that the identity provider gave for it', claims: idJag },
    ];
  }
  return [
    { title: "The user's access token", claims: claimsOf(token) },
    { title: 'The token for the server', claims },
  ];
}

module.exports = { Servers };
