const { startAuthorizationServer } = require('../authorization-server');
const { createUser } = require('../host');
const { startMongo } = require('../mongo');
const { startProcess } = require('../processes');
const { startProtectedServer } = require('../protected-server');
const { startRedis } = require('../redis');
const { openRedisServices } = require('../redis-services');
const { openTokenStore } = require('../token-store');

const TOKEN_FLOW = 'mcp_get_tokens';

/** A process that answers several questions at once, told apart by their `id`; it is started again when it has died. */
function startSide(name, parameters) {
  let process;
  let last = 0;
  const waiting = new Map();
  const start = () => {
    const started = startProcess(name, parameters);
    const hear = ({ id, ...answer }) => {
      waiting.get(id)?.resolve(answer);
      waiting.delete(id);
    };
    // Ends with the process.
    started.listen(hear).catch((error) => {
      for (const { reject } of waiting.values()) reject(error);
      waiting.clear();
      if (process === started) process = undefined;
    });
    return started;
  };
  return {
    /** Resolves to `{ result }` or `{ error, log }`; rejects when the process dies. */
    async ask(userId, action, options) {
      process ??= start();
      last += 1;
      const id = last;
      const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
      process.send({ id, userId, action, ...options });
      return answer;
    },
    close: async () => process?.close(),
  };
}

/**
 * LibreChat's own manager and the addon side by side, each in a process of its own: one database, one Redis, one MCP
 * server, and an authorization server that takes a refresh token once and revokes the grant when it sees one again.
 */
async function startMixed() {
  const open = [];
  const keep = (thing) => {
    open.push(thing);
    return thing;
  };
  const mongo = keep(await startMongo());
  const redis = keep(await startRedis());
  const authorizationServer = keep(await startAuthorizationServer());
  const server = keep(await startProtectedServer(authorizationServer));
  const store = keep(await openTokenStore(mongo));
  const { flowManager } = keep(await openRedisServices(redis.url));
  const { issuer } = authorizationServer;
  const serverUrl = server.url;
  const allow = [server.address, authorizationServer.address];
  const shared = { mongo, redis: redis.url };
  const librechat = keep(startSide('mixed-librechat.js', { ...shared, serverUrl, issuer }));
  const addon = keep(startSide('mixed-addon.js', { ...shared, config: server.config(), allow }));

  return {
    authorizationServer,
    server,

    /** A user of both. */
    user() {
      const { id } = createUser();
      const { Token } = store.models;
      const flowId = `${id}:srv`;
      const user = {
        id,
        librechat: (action, options) => librechat.ask(id, action, options),
        addon: (action, options) => addon.ask(id, action, options),
        rows: () => store.rows(id),

        /** The access token, wherever it is kept: in its row, and with a flow that brought it. */
        async expire(inMs = -60_000) {
          await store.expire(id, inMs);
          const flow = await flowManager.getFlowState(flowId, TOKEN_FLOW);
          if (flow?.status !== 'COMPLETED') return;
          const result = { ...flow.result, expires_at: Date.now() + inMs };
          await flowManager.keyv.set(flowManager.key(flowId, TOKEN_FLOW), { ...flow, result });
        },

        /** MongoDB deletes rows that have expired. */
        async expireAndVanish() {
          await user.expire();
          await Token.deleteOne({ userId: id, type: 'mcp_oauth' });
        },

        /** The user signs in; resolves to what stores the tokens. */
        async beginWithLibreChat() {
          const { url, flow } = (await user.librechat('beginSignIn')).result;
          const code = (await authorizationServer.signIn(url)).get('code');
          return () => user.librechat('finishSignIn', { parameters: { flow, code } });
        },

        signInWithLibreChat: async () => (await user.beginWithLibreChat())(),

        async signInWithAddon() {
          const { result } = await user.addon('reinit');
          if (!result?.oauthUrl) throw new Error('the addon has nothing to ask the user');
          const parameters = await authorizationServer.signIn(result.oauthUrl);
          return user.addon('finishSignIn', { parameters: String(parameters) });
        },

        /** What both read; the access token is good at the authorization server, or it is null. */
        async read() {
          const answers = await Promise.all([user.librechat('read'), user.addon('read')]);
          return Promise.all(
            answers.map(async ({ result, error }) => {
              if (!result) return { error };
              const { active } = await authorizationServer.introspect(result.access_token);
              return { active, token: result.access_token, set: result.credential_set_id };
            }),
          );
        },

        /** Credential sets by row. */
        async sets() {
          const rows = Object.entries(await store.rows(id));
          return Object.fromEntries(rows.map(([type, row]) => [type, row.metadata?.credential_set_id]));
        },

        /** The claim of a process that died counts no more. */
        async ageFlow() {
          const key = flowManager.key(flowId, TOKEN_FLOW);
          const claim = await flowManager.keyv.get(key);
          if (claim) await flowManager.keyv.set(key, { ...claim, createdAt: claim.createdAt - 600_000 });
        },

        isRefreshing: async () => (await flowManager.getFlowState(flowId, TOKEN_FLOW))?.status === 'PENDING',

        forget: () => Token.deleteMany({ userId: id }),
      };
      return user;
    },

    async close() {
      for (const thing of open.reverse()) await thing.close();
    },
  };
}

module.exports = { startMixed };
