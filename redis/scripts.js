const { createHash } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');
const { MAX_BYTES } = require('./checks');

/** The runtime waits 10 s for a service: half of that, so that it is told why instead of nothing. */
const LIMIT_MS = 5000;
/** Between two tries while a slot migrates, and the keys of one script are not all on one node. */
const MIGRATION_POLL_MS = 50;

/** A script with its SHA, as Redis knows it. */
function script(text) {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/**
 * Makes room where something of another kind is. Only there: after a write of a script Redis lets it write in full memory as
 * well.
 */
const makeRoomFor = (kind) => `
local kind = redis.call('type', KEYS[1]).ok
if kind ~= '${kind}' and kind ~= 'none' then redis.call('del', KEYS[1]) end
`;
const MAKE_ROOM = makeRoomFor('hash');

/** The time is Redis's: those of processes may differ. In milliseconds. */
const NOW = `
local time = redis.call('time')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const IS_HASH = `redis.call('type', KEYS[1]).ok == 'hash'`;

/** Ends a script with these fields of a hash; one that is too long is as good as none. */
const readFields = (fields) => `
local fields = {'${fields.join("', '")}'}
for _, field in ipairs(fields) do
  if redis.call('hstrlen', KEYS[1], field) > ${MAX_BYTES} then return false end
end
return redis.call('hmget', KEYS[1], unpack(fields))
`;

/** `OOM`, `READONLY`, `NOSCRIPT` of an answer of Redis; `undefined` for errors of the client. */
const replyCode = (error) => /^([A-Z]{2,32})(?: |$)/.exec(error?.message ?? '')?.[1];

/**
 * What of an error may be told: never its text, since clients put commands with their values into errors, and Redis repeats
 * arguments in some of its own.
 */
function reason(error) {
  if (error?.message === 'Connection is closed.') return 'CLOSED';
  const word = [replyCode(error), error?.code, error?.constructor?.name].find((name) => /^\w{1,64}$/.test(name ?? ''));
  return word ?? 'Error';
}

/** A command that Redis did not carry out, as far as anybody knows. */
class RedisServiceError extends Error {
  name = 'RedisServiceError';

  /**
   * @param {string} operation  such as `lock.acquire`
   * @param {string} kind       of the key
   * @param {string} code       `TIMEOUT`, the first word of Redis's answer, or the name of the client's error
   */
  constructor(operation, kind, code) {
    const problem = code === 'TIMEOUT' ? `no answer within ${LIMIT_MS} ms` : code;
    super(`Redis: ${operation} failed for a key of kind "${kind}": ${problem}`);
    this.code = code;
  }
}

/** What a script answers, whether Redis has it or not, and wherever its keys are just now. */
async function answer(client, { text, sha }, keys, args, isOver) {
  for (;;) {
    try {
      return await client.bySha(sha, keys, args).catch((error) => {
        if (replyCode(error) !== 'NOSCRIPT') throw error;
        return client.byText(text, keys, args);
      });
    } catch (error) {
      if (replyCode(error) !== 'TRYAGAIN' || isOver()) throw error;
      await delay(MIGRATION_POLL_MS);
    }
  }
}

/**
 * Runs scripts over a client, each within a time.
 *
 * @param {import('./clients').ScriptClient} client
 */
function scriptRunner(client) {
  /**
   * @param {{ operation: string, kind: string, script: { text: string, sha: string }, keys: string[], args?: unknown[],
   *   whenLate?: (answer: any) => void }} command  `whenLate` gets an answer that nobody waits for any more
   */
  return async function run({ operation, kind, script, keys, args = [], whenLate }) {
    let isLate = false;
    let timer;
    const limit = new Promise((_, reject) => {
      timer = setTimeout(() => {
        isLate = true;
        reject(new RedisServiceError(operation, kind, 'TIMEOUT'));
      }, LIMIT_MS);
    });
    const answered = answer(client, script, keys, args.map(String), () => isLate).catch((error) => {
      throw new RedisServiceError(operation, kind, reason(error));
    });
    if (whenLate) answered.then((value) => isLate && whenLate(value)).catch(() => {});
    try {
      return await Promise.race([answered, limit]);
    } finally {
      clearTimeout(timer);
    }
  };
}

module.exports = { IS_HASH, MAKE_ROOM, NOW, makeRoomFor, readFields, reason, script, scriptRunner };
