const { requireText, requireValue } = require('./checks');
const { DELETE, GET, SET } = require('./texts');

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
      requireValue('exchangedTokens.set', value, ttlMs);
      await command('set', SET, key, value, ttlMs);
    },
    async delete(key) {
      return Number(await command('delete', DELETE, key)) > 0;
    },
  };
}

module.exports = { redisTokenCache };
