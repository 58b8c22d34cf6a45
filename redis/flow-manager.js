const { requireShort, requireText } = require('./checks');
const { flowTtlMs } = require('./flow-ttl');
const { redisLeases } = require('./leases');
const { IS_HASH, MAKE_ROOM, readFields, script } = require('./scripts');
const { isObject, milliseconds, named, parsed } = require('./stored');
const { DELETE } = require('./texts');

const FIELDS = ['status', 'createdAt', 'metadata', 'completedAt', 'failedAt', 'result', 'error'];
const STATUSES = ['PENDING', 'COMPLETED', 'FAILED'];

const GET = script(`
if not (${IS_HASH}) then return false end
${readFields(FIELDS)}
`);

const INIT = script(`${MAKE_ROOM}
redis.call('hset', KEYS[1], 'status', 'PENDING', 'createdAt', ARGV[1], 'state', ARGV[2], 'metadata', ARGV[3])
redis.call('hdel', KEYS[1], 'completedAt', 'failedAt', 'result', 'error')
redis.call('pexpire', KEYS[1], ARGV[4])
`);

/**
 * Ends a flow in one step. A completed one stays as it is; where an attempt is given (`createdAt`, `state`) so does any other
 * attempt, and one that is not pending is completed no more.
 */
const END = script(`
local flow = ${IS_HASH} and redis.call('hmget', KEYS[1], 'status', 'createdAt', 'state') or {}
local status, member, value, timeMember, now, ttl, createdAt, state = unpack(ARGV)
if not flow[1] then return 'missing' end
if createdAt and (flow[2] ~= createdAt or flow[3] ~= state) then return 'stale' end
if flow[1] == 'COMPLETED' or (createdAt and status == 'COMPLETED' and flow[1] ~= 'PENDING') then return 'stale' end
redis.call('hset', KEYS[1], 'status', status, member, value, timeMember, now)
redis.call('pexpire', KEYS[1], ttl)
return 'updated'
`);

/** What was read, where it is a flow. */
function flowState(type, fields) {
  if (!Array.isArray(fields)) return null;
  const flow = named(FIELDS, fields);
  const [createdAt, metadata] = [milliseconds(flow.createdAt), parsed(flow.metadata)];
  const result = flow.result === undefined ? undefined : parsed(flow.result);
  const isSound = STATUSES.includes(flow.status) && createdAt !== undefined && isObject(metadata);
  if (!isSound || (flow.result !== undefined && result === undefined)) return null;
  const times = { completedAt: milliseconds(flow.completedAt), failedAt: milliseconds(flow.failedAt) };
  const state = { type, status: flow.status, metadata, createdAt, ...times, result, error: flow.error };
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined));
}

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisFlowManager}
 */
function redisFlowManager({ run, keys }) {
  const ttl = flowTtlMs();

  async function command(name, script, [flowId, type], ...args) {
    const operation = `flowManager.${name}`;
    requireText(`${operation}: the id`, flowId);
    requireText(`${operation}: the type`, type);
    for (const arg of args) requireShort(`${operation}: what is to be stored`, String(arg));
    return run({ operation, kind: 'flow', script, keys: [keys.flow(flowId, type)], args });
  }

  async function complete(name, flow, result, ...attempt) {
    const outcome = ['COMPLETED', 'result', JSON.stringify(result) ?? 'null', 'completedAt', Date.now(), ttl];
    return String(await command(name, END, flow, ...outcome, ...attempt));
  }

  async function fail(name, flow, error, ...attempt) {
    const outcome = ['FAILED', 'error', String(error?.message ?? error), 'failedAt', Date.now(), ttl];
    return String(await command(name, END, flow, ...outcome, ...attempt));
  }

  return {
    async getFlowState(flowId, type) {
      return flowState(type, await command('getFlowState', GET, [flowId, type]));
    },

    async initFlow(flowId, type, metadata = {}) {
      if (!isObject(metadata)) throw new TypeError('flowManager.initFlow: metadata must be an object');
      const state = typeof metadata.state === 'string' ? metadata.state : '';
      await command('initFlow', INIT, [flowId, type], Date.now(), state, JSON.stringify(metadata), ttl);
    },

    async completeFlow(flowId, type, result) {
      return (await complete('completeFlow', [flowId, type], result)) !== 'missing';
    },

    async failFlow(flowId, type, error) {
      return (await fail('failFlow', [flowId, type], error)) !== 'missing';
    },

    async completeFlowIfCurrent(flowId, type, createdAt, state, result) {
      return complete('completeFlowIfCurrent', [flowId, type], result, createdAt, state);
    },

    async failFlowIfCurrent(flowId, type, createdAt, state, error) {
      return fail('failFlowIfCurrent', [flowId, type], error, createdAt, state);
    },

    async deleteFlow(flowId, type) {
      return command('deleteFlow', DELETE, [flowId, type]).then(
        () => true,
        () => false,
      );
    },

    ...redisLeases({ run, keys }),
  };
}

module.exports = { redisFlowManager };
