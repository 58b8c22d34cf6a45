const { MAX_BYTES, requireMilliseconds, requireShort, requireText } = require('./checks');
const { script } = require('./scripts');

const GET = script(`
if redis.call('type', KEYS[1]).ok ~= 'string' or redis.call('strlen', KEYS[1]) > ${MAX_BYTES} then return false end
return redis.call('get', KEYS[1])
`);
const SET = script(`redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])`);
const DELETE = script(`return redis.call('del', KEYS[1])`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisTokenCache}
 */
function redisTokenCache({ run, keys }) {
  const command = async (name, script, key, ...args) => {
    const operation = `exchangedTokens.${name}`;
    requireText(`${operation}: the key`, key);
    return run({ operation, kind: 'token', script, keys: [keys.token(key)], args });
  };
  return {
    async get(key) {
      const value = await command('get', GET, key);
      return value === null ? undefined : String(value);
    },
    async set(key, value, ttlMs) {
      requireText('exchangedTokens.set: the value', value);
      requireShort('exchangedTokens.set: the value', value);
      requireMilliseconds('exchangedTokens.set: ttlMs', ttlMs);
      await command('set', SET, key, value, ttlMs);
    },
    async delete(key) {
      return Number(await command('delete', DELETE, key)) > 0;
    },
  };
}

module.exports = { redisTokenCache };
