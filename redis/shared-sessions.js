const { requireText, requireValue } = require('./checks');
const { script } = require('./scripts');
const { DELETE, READ_TEXT, textService } = require('./texts');

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
  const texts = { service: 'sharedSessions', kind: 'session', keyOf: keys.session };
  const { command, get, set } = textService(run, texts);
  /** As an argument of a script: none where nothing is expected. */
  const expecting = (name, expected) => {
    if (expected === undefined) return [];
    requireText(`sharedSessions.${name}: the expected value`, expected);
    return [expected];
  };

  return {
    get,
    set,

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
