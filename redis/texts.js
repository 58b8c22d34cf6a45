/** Scripts for texts with an end, and for whatever is deleted. */

const { MAX_BYTES } = require('./checks');
const { script } = require('./scripts');

/** `text` is what is at the key, or `false`: another kind, an empty text and one that is too long are as good as none. */
const READ_TEXT = `
local length = redis.call('type', KEYS[1]).ok == 'string' and redis.call('strlen', KEYS[1]) or 0
local text = length > 0 and length <= ${MAX_BYTES} and redis.call('get', KEYS[1])
`;

const GET = script(`${READ_TEXT}
return text
`);
const SET = script(`redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])`);
const DELETE = script(`return redis.call('del', unpack(KEYS))`);

module.exports = { DELETE, GET, READ_TEXT, SET };
