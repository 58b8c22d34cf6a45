/** The servers of the configuration as the page shows them: how each one is, requests, and logins. */

const { authorizationOf } = require('../authorization');
const { serverOf } = require('../config');
const { checkToken, claimsOf, exchangeOf } = require('../exchange');
const { summary } = require('../output');
const { USER } = require('../runtime');
const { knownOf, obstacle, transportOf } = require('../server');
const { missingVariables } = require('../unexpanded');
const { refreshLogin } = require('./refresh');

/** How many servers are connected at a time when the page begins. */
const CONCURRENCY = 4;
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
/** What a page lists again when it changes, by event of the client. */
const LISTS = { toolsChanged: 'tools', resourcesChanged: 'resources', promptsChanged: 'prompts' };

class Servers {
  #context;
  #tell;
  #servers = new Map();

  /**
   * @param context  of `withRuntime`
   * @param tell     hears of changes, as events for the page
   */
  constructor(context, tell) {
    this.#context = context;
    this.#tell = tell;
    for (const name of Object.keys(context.config.servers)) this.#servers.set(name, { state: { name, state: 'idle' } });
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
      for (let name = names.shift(); name !== undefined; name = names.shift()) await this.#connect(name);
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

  /** One request of the page: `{ result }`, or `{ error: { code, message, hint } }`. */
  async request({ server: name, method, params }, signal) {
    if (!METHODS.has(method)) throw Object.assign(new Error('there is no such request'), { status: 400 });
    const server = this.#server(name);
    if (!server.client) await this.#connect(name);
    if (!server.client) return { error: server.state.error };
    try {
      return { result: await server.client.request({ method, params }, { signal, timeout: CALL_TIMEOUT_MS }) };
    } catch (error) {
      return { error: this.#told(name, error) };
    }
  }

  /** Has the user log in: the address is told as soon as it is known, and what came of it when it is over. */
  async login({ server: name }, signal) {
    const server = this.#server(name);
    const told = (login) => this.#change(name, { login: { ...server.state.login, ...login } });
    this.#change(name, { login: { state: 'discovering', since: Date.now() } });
    const oauthStart = (url) => told({ state: 'waiting', url });
    try {
      const client = this.#client(name, { oauthStart });
      await client.connect({ signal });
      told({ state: 'done', url: undefined });
      await this.#connect(name);
    } catch (error) {
      told({ state: 'failed', url: undefined, error: this.#told(name, error, { oauth: true, isLogin: true }) });
    }
  }

  /** Refreshes the tokens of that login: `{}`, or `{ error }`. */
  async refresh({ server: name }) {
    this.#server(name);
    try {
      await refreshLogin(this.#context, name);
      return {};
    } catch (error) {
      return { error: this.#told(name, error, { oauth: true, isLogin: true }) };
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
    return client;
  }

  /** What the configuration says of a server, and which rules of LibreChat hold for it. */
  async #described(name) {
    const { config, userVars } = this.#context;
    const server = config.servers[name];
    const known = knownOf(this.#context, name);
    const text = JSON.stringify(server);
    const { allowedDomains = null, allowedAddresses = null } = config.document.mcpSettings ?? {};
    return {
      title: server.title,
      description: server.description,
      transport: transportOf(server),
      address: known.address ?? server.command,
      authorization: await authorizationOf(this.#context, name, { ask: false }),
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
    return summary(error, knownOf(this.#context, name, more));
  }

  #change(name, members) {
    const server = this.#servers.get(name);
    server.state = { ...server.state, ...members };
    this.#tell({ type: 'server', server: server.state });
  }
}

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
