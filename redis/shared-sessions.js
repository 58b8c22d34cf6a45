const { requireText, requireValue } = require('./checks');
const { script } = require('./scripts');
const { DELETE, GET, READ_TEXT, SET } = require('./texts');

const COMPARE_AND_SET = script(`${READ_TEXT}
if text ~= (ARGV[3] or false) then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

const COMPARE_AND_DELETE = script(`${READ_TEXT}
if text ~= ARGV[1] then return 0 end
return redis.call('del', KEYS[1])
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisSharedSessions}
 */
function redisSharedSessions({ run, keys }) {
  const command = async (name, script, key, ...args) => {
    const operation = `sharedSessions.${name}`;
    requireText(`${operation}: the key`, key);
    return run({ operation, kind: 'session', script, keys: [keys.session(key)], args });
  };
  /** As an argument of a script: none where nothing is expected. */
  const expecting = (name, expected) => {
    if (expected === undefined) return [];
    requireText(`sharedSessions.${name}: the expected value`, expected);
    return [expected];
  };

  return {
    async get(key) {
      const value = await command('get', GET, key);
      return value === null ? undefined : String(value);
    },

    async set(key, value, ttlMs) {
      requireValue('sharedSessions.set', value, ttlMs);
      await command('set', SET, key, value, ttlMs);
    },

    async compareAndSet(key, expected, value, ttlMs) {
      requireValue('sharedSessions.compareAndSet', value, ttlMs);
      const args = [value, ttlMs, ...expecting('compareAndSet', expected)];
      return Number(await command('compareAndSet', COMPARE_AND_SET, key, ...args)) > 0;
    },

    async delete(key, expected) {
      const script = expected === undefined ? DELETE : COMPARE_AND_DELETE;
      return Number(await command('delete', script, key, ...expecting('delete', expected))) > 0;
    },
  };
}

module.exports = { redisSharedSessions };
