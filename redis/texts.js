/** Scripts for texts with an end, and for whatever is deleted. */

const { MAX_BYTES, requireText, requireValue } = require('./checks');
const { script } = require('./scripts');

/** `text` is what is at the key, or `false`: another kind, an empty text and one that is too long are as good as none. */
const READ_TEXT = `
local length = redis.call('type', KEYS[1]).ok == 'string' and redis.call('strlen', KEYS[1]) or 0
local text = length > 0 and length <= ${MAX_BYTES} and redis.call('get', KEYS[1])
`;

/** The same of a count that ends `left` milliseconds from now, and within its `window`. */
const READ_COUNT = `${READ_TEXT}
local left, window = redis.call('pttl', KEYS[1]), tonumber(ARGV[1])
local isCount = text and #text < 16 and string.match(text, '^[1-9]%d*$') and left > 0 and left <= window
`;

const GET = script(`${READ_TEXT}
return text
`);
const SET = script(`redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])`);
const DELETE = script(`return redis.call('del', unpack(KEYS))`);

/**
 * What services of texts have in common: `get` and `set`, and `command`, which runs a script for one of their keys.
 *
 * @param {Function} run
 * @param {{ service: string, kind: string, keyOf: (key: string) => string }} texts
 */
function textService(run, { service, kind, keyOf }) {
  const command = async (name, script, key, ...args) => {
    const operation = `${service}.${name}`;
    requireText(`${operation}: the key`, key);
    return run({ operation, kind, script, keys: [keyOf(key)], args });
  };
  return {
    command,
    async get(key) {
      const value = await command('get', GET, key);
      return value === null ? undefined : String(value);
    },
    async set(key, value, ttlMs) {
      requireValue(`${service}.set`, value, ttlMs);
      await command('set', SET, key, value, ttlMs);
    },
  };
}

module.exports = { DELETE, READ_COUNT, READ_TEXT, textService };
