const { DELETE, textService } = require('./texts');

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisTokenCache}
 */
function redisTokenCache({ run, keys }) {
  const texts = { service: 'exchangedTokens', kind: 'token', keyOf: keys.token };
  const { command, get, set } = textService(run, texts);
  return {
    get,
    set,
    async delete(key) {
      return Number(await command('delete', DELETE, key)) > 0;
    },
  };
}

module.exports = { redisTokenCache };
