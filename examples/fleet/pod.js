/**
 * One of several processes behind a balancer, with one runtime: its environment is what `fleet.js` gives it.
 *
 *   POST /call   `{ user, server, tool, arguments }`: `{ content }`, or `{ code, message, retryable }`
 *   POST /login  `{ user, server }`: `{ oauthUrl }`, `null` where nothing is to be signed
 *   GET /ready   200 while it takes calls, 503 from SIGTERM on
 *   GET /metrics what Prometheus is told
 *
 * 503 is said of what has not begun, and of nothing else: another pod may do it. Who waits for `100 Continue` before it
 * sends a body knows as well that nothing has begun until then.
 */

const http = require('node:http');
const { createMCPRuntime } = require('librechat-mcp-native');
const { redisServices } = require('librechat-mcp-native/redis');
const { createClient, createCluster } = require('redis');
const { processMetrics } = require('./process-metrics');

/** One URL, or those of a Cluster's nodes with commas between them. */
const { PORT, HOST = '127.0.0.1', REDIS_URL = '', MCP_CONFIG = '{}' } = process.env;
const CALLBACK = /^\/api\/mcp\/[^/]+\/oauth\/callback$/;
const DRAIN_MS = 20_000;

/** @typedef {import('librechat-mcp-native').MCPRuntime} Runtime */

async function main() {
  const redis = await connectRedis(REDIS_URL.split(','));
  /** No call that has begun is ended before: until then `MCP_CLOSED` is a refusal. */
  let endOfCalls = Infinity;
  const services = redisServices(redis, { prefix: 'fleet:' });
  const runtime = createMCPRuntime({ config: JSON.parse(MCP_CONFIG), ...services });

  /** As `docs/oauth.md` has it. The example's browsers have no cookies to be looked at. @param {URLSearchParams} query */
  async function completeLogin(query) {
    const { flowManager, tokenMethods } = services;
    const [code = '', state = '', iss] = ['code', 'state', 'iss'].map((name) => query.get(name) ?? undefined);
    const flowId = await runtime.oauth.resolveStateToFlowId(state, flowManager);
    if (!flowId) throw new Error('no login waits for this');
    const flow = /** @type {any} */ (await runtime.oauth.getFlowState(flowId, flowManager));
    const { userId, serverName, serverUrl, clientInfo, clientSource, resourceMetadata } = flow;
    const metadata = runtime.oauth.buildStoredClientMetadata(flow.metadata, resourceMetadata, serverUrl, clientSource);
    /** @param {any} tokens */
    const persist = (tokens) =>
      runtime.tokens.storeTokens({ userId, serverName, tokens, clientInfo, metadata, flowManager, ...tokenMethods });
    await runtime.oauth.completeOAuthFlow(flowId, code, flowManager, flow.oauthHeaders, persist, { state, iss });
    return { serverName };
  }

  /**
   * @param {http.IncomingMessage} request
   * @returns {Promise<object>}
   */
  async function answer(request) {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://pod');
    if (CALLBACK.test(pathname)) return completeLogin(searchParams);
    const { user: id, server: serverName, tool, arguments: toolArguments } = await bodyOf(request);
    const user = { id };
    if (pathname === '/call') {
      const call = { user, serverName, toolName: tool, toolArguments, provider: 'openai' };
      const [content] = await runtime.manager.callTool(call);
      return { content };
    }
    const { oauthUrl = null } = (await runtime.reinitMCPServer({ user, serverName })) ?? {};
    return { oauthUrl };
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  async function respond(request, response) {
    const { takesCalls, servers } = runtime.health();
    if (request.url === '/ready') return send(response, takesCalls ? 200 : 503, { takesCalls, servers });
    if (request.url === '/metrics') {
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      return response.end(runtime.metrics() + processMetrics());
    }
    if (!takesCalls) return send(response, 503, REFUSAL);
    if (request.headers.expect) response.writeContinue();
    try {
      send(response, 200, await answer(request));
    } catch (error) {
      const { code, message, retryable } = /** @type {any} */ (error);
      const hasNotBegun = code === 'MCP_CLOSED' && performance.now() < endOfCalls;
      send(response, hasNotBegun ? 503 : 500, { code, message, retryable });
    }
  }

  const server = http.createServer(respond).on('checkContinue', respond).listen(Number(PORT), HOST);
  process.once('SIGTERM', async () => {
    const started = performance.now();
    endOfCalls = started + DRAIN_MS;
    await runtime.close({ drainMs: DRAIN_MS, handOver: true });
    console.log(`drained in ${Math.round(performance.now() - started)} ms`);
    server.close(() => redis.destroy());
  });
}

const REFUSAL = { code: 'MCP_CLOSED', message: 'this pod takes no more calls' };

/** @param {string[]} urls */
async function connectRedis([url, ...others]) {
  if (others.length === 0) return createClient({ url }).on('error', report).connect();
  return createCluster({ rootNodes: [url, ...others].map((node) => ({ url: node })) })
    .on('error', report)
    .connect();
}

/** @param {Error} error */
const report = (error) => console.error(`Redis: ${error.message}`);

/**
 * @param {http.IncomingMessage} request
 * @returns {Promise<any>}
 */
async function bodyOf(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

/**
 * @param {http.ServerResponse} response
 * @param {number} status
 * @param {object} body
 */
function send(response, status, body) {
  // A connection that a refused body was to follow on is of no more use, and one that is kept would hold up the end.
  const headers = { 'content-type': 'application/json', ...(status === 503 && { connection: 'close' }) };
  response.writeHead(status, headers).end(JSON.stringify(body));
}

main();
