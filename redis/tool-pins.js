const { requireText } = require('./checks');
const { script } = require('./scripts');

/** Records hold definitions of tools. The runtime writes none that is longer, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** `text` is what is at the key, or `false`. Nothing is made of what is no text: that is an error of Redis's. */
const READ = `
local text = redis.call('get', KEYS[1])
if text and #text > ${MAX_BYTES} then return redis.error_reply('TOOLONG') end
`;
const GET = script(`${READ}
return text
`);
const COMPARE_AND_SET = script(`${READ}
if text ~= (ARGV[2] or false) then return 0 end
redis.call('set', KEYS[1], ARGV[1])
return 1
`);

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisToolPins}
 */
function redisToolPins({ run, keys }) {
  const command = async (name, script, key, ...args) => {
    const operation = `toolPins.${name}`;
    requireText(`${operation}: the key`, key);
    return run({ operation, kind: 'pins', script, keys: [keys.pins(key)], args });
  };
  return {
    async get(key) {
      const text = await command('get', GET, key);
      return text === null ? undefined : String(text);
    },

    async compareAndSet(key, expected, value) {
      requireText('toolPins.compareAndSet: the value', value);
      if (Buffer.byteLength(value) > MAX_BYTES) {
        throw new RangeError(`toolPins.compareAndSet: the value must not be longer than ${MAX_BYTES} bytes`);
      }
      const args = expected === undefined ? [] : [expected];
      return Number(await command('compareAndSet', COMPARE_AND_SET, key, value, ...args)) > 0;
    },
  };
}

module.exports = { redisToolPins };
