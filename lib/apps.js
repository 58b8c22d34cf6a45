/** MCP Apps (`io.modelcontextprotocol/ui`, SEP-1865), as far as a client goes that renders nothing: `docs/apps.md`. */

const { createHmac, hkdfSync, randomBytes, timingSafeEqual } = require('node:crypto');
const { checkOptions, checkText, invalidArgument, objectOf } = require('./arguments.js');

const SCHEME = 'ui://';
const MIME_TYPE = 'text/html;profile=mcp-app';
/** Where tools named their app before `_meta.ui` was there. */
const FLAT_URI = 'ui/resourceUri';

/** Bound on a function of the host. */
const MAX_HOST_MS = 30_000;

/** Bounds on what is read for apps: one answer as JSON, the time for it, and how many at a time in one runtime. */
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_MS = 30_000;
const MAX_READS = 16;

const MAX_URI_LENGTH = 2048;
const BINDING_MS = 24 * 60 * 60 * 1000;
const BINDING_PURPOSE = 'librechat-mcp-native app binding';

const fault = (code, message, retryable = false) => Object.assign(new Error(message), { code, retryable });
const tooLarge = () => fault('MCP_RESPONSE_TOO_LARGE', `A resource for an app has more than ${MAX_BYTES} bytes`);
const noApp = (why) => fault('MCP_APP_INVALID', `The server names something that is no app: ${why}`);
/** One error for all that can be wrong: whoever made a binding up learns nothing from it. */
const refused = () =>
  fault('MCP_APP_BINDING_INVALID', 'The app is not bound to this user and server any more; read it again');

/** What the host throws is for its operators, as from all of its functions. */
function rethrowAsFault(cause) {
  const why = cause instanceof Error ? cause.message : cause;
  throw Object.assign(fault('MCP_HOST_ERROR', `The host callback getTenantId failed: ${why}`), { cause });
}

/** Whether a tool is kept from `scope`, `model` or `app`. Without a list, a tool is for both. */
function isHiddenFrom(tool, scope) {
  const visibility = tool?._meta?.ui?.visibility;
  return Array.isArray(visibility) && !visibility.includes(scope);
}

const isToolHiddenFromModel = (tool) => isHiddenFrom(tool, 'model');
const isToolHiddenFromApp = (tool) => isHiddenFrom(tool, 'app');

/** The URI of an app that a tool names, or that is given. */
function uriOf(app) {
  const isTool = app !== null && typeof app === 'object';
  const uri = isTool ? (app._meta?.ui?.resourceUri ?? app._meta?.[FLAT_URI]) : app;
  if (typeof uri === 'string' && uri.startsWith(SCHEME) && uri.length <= MAX_URI_LENGTH) return uri;
  if (isTool) throw noApp(`a tool’s resourceUri is not ${SCHEME}… of at most ${MAX_URI_LENGTH} characters`);
  throw invalidArgument(`readApp: the app must be a tool that names one, or a URI that begins with ${SCHEME}`);
}

/** The document of a resource, which a server may send as text or as base64. */
function documentOf({ text, blob }) {
  if (typeof text === 'string') return text;
  const bytes = Buffer.from(typeof blob === 'string' ? blob : '', 'base64');
  // Node leaves out what is no base64.
  if (bytes.toString('base64') !== blob) throw noApp('it has neither text nor base64');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw noApp('it is not UTF-8');
  }
}

/** The app in what `resources/read` answered. */
function appIn(result, uri) {
  const contents = Array.isArray(result.contents) ? result.contents : [];
  const content = contents.find((item) => item?.uri === uri);
  if (!content) throw noApp('the answer has no resource of this URI');
  const mimeType = String(content.mimeType).replace(/[\s"]/g, '').toLowerCase();
  if (mimeType !== MIME_TYPE) throw noApp(`its MIME type is not ${MIME_TYPE}`);
  return { uri, mimeType, text: documentOf(content), _meta: content._meta };
}

/** Gives each request of a call its options: all of them together last no longer than `maxTotalTimeout`. */
function withinTotal(options) {
  const { maxTotalTimeout } = options ?? {};
  if (!maxTotalTimeout) return () => ({ ...options });
  const until = performance.now() + maxTotalTimeout;
  return () => ({ ...options, maxTotalTimeout: Math.max(1, until - performance.now()) });
}

/** What the apps of one runtime have in common. */
class Apps {
  #host;
  /** Where the host has no key that other processes have, too. */
  #ownKey = randomBytes(32);
  #reads = 0;

  constructor(host) {
    this.#host = host;
  }

  /** @param owner  `{ client, serverName, userId, configIdentity(), listTools(options) }`: whose apps they are */
  async readApp(owner, app, options) {
    const uri = uriOf(app);
    checkOptions(options);
    const found = appIn(await this.#read(owner.client, uri, options), uri);
    return { ...found, binding: await this.#bind(owner, uri) };
  }

  async readResource(owner, params, options) {
    const { binding, uri } = objectOf(params, 'readAppResource: the parameters');
    checkText(uri, 'readAppResource: uri');
    checkOptions(options);
    await this.#check(owner, binding, options);
    return this.#read(owner.client, uri, options);
  }

  async callTool(owner, params, options) {
    const { binding, name, arguments: args } = objectOf(params, 'callAppTool: the parameters');
    checkText(name, 'callAppTool: name');
    const left = withinTotal(checkOptions(options));
    await this.#check(owner, binding, left());
    const { signal, timeout, maxTotalTimeout } = left();
    // As the list is now, however long the one before is valid: the server may have taken the tool from its apps.
    const { tools } = await owner.listTools({ signal, timeout, maxTotalTimeout });
    const named = tools.filter((tool) => tool?.name === name);
    if (named.length === 0 || named.some(isToolHiddenFromApp)) {
      throw fault('MCP_TOOL_HIDDEN', 'The server offers its apps no tool of this name');
    }
    return owner.client.callTool({ name, arguments: args }, left());
  }

  /** `resources/read` within the bounds. */
  async #read(client, uri, options) {
    const { signal, timeout } = options ?? {};
    if (this.#reads >= MAX_READS) {
      throw fault('MCP_RATE_LIMITED', `${MAX_READS} resources are being read for apps`, true);
    }
    // From the first step on: a user who is asked to authorize, and does not, holds up nobody else.
    const ended = AbortSignal.timeout(Math.min(timeout ?? MAX_MS, MAX_MS));
    this.#reads += 1;
    try {
      const result = await client.readResource({ uri }, { signal: signal ? AbortSignal.any([signal, ended]) : ended });
      if (Buffer.byteLength(JSON.stringify(result)) > MAX_BYTES) throw tooLarge();
      return result;
    } catch (error) {
      // The limits of all answers may be lower.
      if (error.mcpCode === 'MCP_RESPONSE_TOO_LARGE') throw tooLarge();
      if (!ended.aborted || signal?.aborted) throw error;
      throw fault('MCP_TIMEOUT', 'The server did not send the resource in time', true);
    } finally {
      this.#reads -= 1;
    }
  }

  /** An authenticated text: until when it holds, for which app, and from which config that was read. */
  async #bind(owner, uri) {
    const claims = [Date.now() + BINDING_MS, uri, this.#mac('config', owner.configIdentity())];
    const body = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return `${body}.${await this.#macOf(owner, body)}`;
  }

  /** Refuses a binding of somebody else before anything is sent, and one of another config before the app gets at it. */
  async #check(owner, binding, options) {
    const [body, mac, ...more] = typeof binding === 'string' ? binding.split('.') : [];
    if (mac === undefined || more.length > 0) throw refused();
    const [given, expected] = [Buffer.from(mac), Buffer.from(await this.#macOf(owner, body))];
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw refused();
    const [expires, , config] = JSON.parse(Buffer.from(body, 'base64url').toString());
    if (expires <= Date.now()) throw refused();
    const { signal, timeout, maxTotalTimeout } = options ?? {};
    await owner.client.connect({ signal, timeout, maxTotalTimeout });
    if (config !== this.#mac('config', owner.configIdentity())) throw refused();
  }

  async #macOf({ serverName, userId }, body) {
    return this.#mac('binding', await this.#tenantId(), userId, serverName, body);
  }

  async #tenantId() {
    let timer;
    const late = new Promise((_, reject) => {
      const error = fault('MCP_HOST_TIMEOUT', 'getTenantId did not settle in time', true);
      timer = setTimeout(reject, MAX_HOST_MS, error);
    });
    try {
      const asked = async () => this.#host.getTenantId?.();
      const tenantId = await Promise.race([asked().catch(rethrowAsFault), late]);
      if (typeof (tenantId ?? '') === 'string') return tenantId;
    } finally {
      clearTimeout(timer);
    }
    throw fault('MCP_HOST_ERROR', 'getTenantId must return a string or nothing');
  }

  /** HMAC-SHA-256 (RFC 2104) of texts; absent ones count. */
  #mac(...texts) {
    // One of white space is none, as for stored tokens: everybody knows it.
    const shared = `${this.#host.credentialsKey || process.env.CREDS_KEY || ''}`.trim();
    const key = shared ? Buffer.from(hkdfSync('sha256', shared, '', BINDING_PURPOSE, 32)) : this.#ownKey;
    return createHmac('sha256', key).update(JSON.stringify(texts)).digest('base64url');
  }
}

module.exports = { Apps, isToolHiddenFromApp, isToolHiddenFromModel };
