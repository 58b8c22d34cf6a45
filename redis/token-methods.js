const { requireShort, requireText } = require('./checks');
const { IS_HASH, MAKE_ROOM, readFields, script } = require('./scripts');
const { isObject, milliseconds, named, parsed } = require('./stored');

const FIELDS = ['token', 'createdAt', 'expiresAt', 'metadata'];
/** The last time that is kept, of 15 digits. */
const LATEST_MS = 10 ** 15 - 1;

/** What scripts are told of a credential set: nothing, that there is none, or `=` and its id. */
const ANY_SET = '';
const NO_SET = '-';

/** Whether there is a row with this token and this set, where they are given. A row's set is in a field of its own. */
const MATCH = `
local row = ${IS_HASH} and redis.call('hmget', KEYS[1], 'token', 'set') or {}
local isAsked = row[1] and (ARGV[1] == '' or ARGV[1] == row[1])
  and (ARGV[2] == '${ANY_SET}' or ARGV[2] == (row[2] and '=' .. row[2] or '${NO_SET}'))
`;

const FIND = script(`${MATCH}
if not isAsked then return false end
${readFields(FIELDS)}
`);

/** Writes `set`, then what is left of the arguments. */
const WRITE = `
local function write(set, ttlMs, first)
  if ARGV[first] then redis.call('hset', KEYS[1], unpack(ARGV, first)) end
  if set == '${NO_SET}' then
    redis.call('hdel', KEYS[1], 'set')
  elseif set ~= '${ANY_SET}' then
    redis.call('hset', KEYS[1], 'set', string.sub(set, 2))
  end
  local written = redis.call('hmget', KEYS[1], '${FIELDS.join("', '")}')
  if ttlMs ~= '' then redis.call('pexpire', KEYS[1], ttlMs) end
  return written
end
`;

const CREATE = script(`${MAKE_ROOM}${WRITE}
return write(ARGV[1], ARGV[2], 3)
`);

const UPDATE = script(`${MATCH}${WRITE}
if not isAsked then return false end
return write(ARGV[3], ARGV[4], 5)
`);

const DELETE = script(`${MATCH}
if not (isAsked or ARGV[1] == '' and ARGV[2] == '${ANY_SET}') then return 0 end
return redis.call('del', KEYS[1])
`);

const askedSet = (id) => (id === undefined ? ANY_SET : writtenSet(id));
const writtenSet = (id) => (typeof id === 'string' ? `=${id}` : NO_SET);

/** When a row ends, from seconds or a time; `undefined` where neither is given. */
function endOf(operation, { expiresIn, expiresAt }) {
  if (expiresIn === undefined && expiresAt === undefined) return undefined;
  const end = expiresIn === undefined ? new Date(expiresAt).getTime() : Date.now() + expiresIn * 1000;
  if (typeof end !== 'number' || Number.isNaN(end)) throw new RangeError(`${operation}: the row's end must be a time`);
  return Math.trunc(Math.min(Math.max(end, 0), LATEST_MS));
}

/** What was read, where it is a row. */
function rowOf({ userId, type, identifier }, fields) {
  if (!Array.isArray(fields)) return null;
  const { token, ...texts } = named(FIELDS, fields);
  const [createdAt, expiresAt] = [milliseconds(texts.createdAt), milliseconds(texts.expiresAt)];
  const metadata = parsed(texts.metadata);
  const isSound = token && (metadata === null || isObject(metadata));
  if (!isSound || createdAt === undefined || expiresAt === undefined) return null;
  const row = { userId, type, identifier, token, createdAt: new Date(createdAt), expiresAt: new Date(expiresAt) };
  return metadata === null ? row : { ...row, metadata };
}

/**
 * @param {{ run: Function, keys: any }} redis
 * @returns {import('./index').RedisTokenMethods}
 */
function redisTokenMethods({ run, keys }) {
  async function command(name, script, row, ...args) {
    const operation = `tokenMethods.${name}`;
    for (const member of ['userId', 'type', 'identifier']) requireText(`${operation}: ${member}`, row?.[member]);
    return run({ operation, kind: 'row', script, keys: [keys.row(row)], args });
  }

  /** What the row that is meant has. */
  function asked(name, { token, metadataCredentialSetId }) {
    if (token !== undefined) requireText(`tokenMethods.${name}: the token`, token);
    return [token ?? '', askedSet(metadataCredentialSetId)];
  }

  /** The set, how long the row lasts, and its fields: those that are given. */
  function changed(name, { token, metadata, ...times }) {
    const operation = `tokenMethods.${name}`;
    const fields = [];
    if (token !== undefined) {
      requireText(`${operation}: the token`, token);
      fields.push('token', token);
    }
    if (metadata !== undefined) {
      if (!isObject(metadata)) throw new TypeError(`${operation}: metadata must be an object`);
      fields.push('metadata', JSON.stringify(metadata));
    }
    for (const text of fields) requireShort(`${operation}: what is to be stored`, text);
    const end = endOf(operation, times);
    if (end !== undefined) fields.push('expiresAt', end);
    const set = metadata === undefined ? ANY_SET : writtenSet(metadata.credential_set_id);
    return [set, end === undefined ? '' : end - Date.now(), ...fields];
  }

  return {
    async findToken(query) {
      return rowOf(query, await command('findToken', FIND, query, ...asked('findToken', query)));
    },

    async createToken(row) {
      requireText('tokenMethods.createToken: the token', row?.token);
      const [set, ttlMs, ...fields] = changed('createToken', row);
      if (ttlMs === '') throw new RangeError('tokenMethods.createToken: expiresIn or expiresAt must be given');
      const more = ['createdAt', Date.now(), ...(row.metadata === undefined ? ['metadata', 'null'] : [])];
      const [isNew, args] = [set === ANY_SET ? NO_SET : set, [...fields, ...more]];
      return rowOf(row, await command('createToken', CREATE, row, isNew, ttlMs, ...args));
    },

    async updateToken(query, changes) {
      const args = [...asked('updateToken', query), ...changed('updateToken', changes)];
      return rowOf(query, await command('updateToken', UPDATE, query, ...args));
    },

    async deleteTokens(query) {
      const deletedCount = Number(await command('deleteTokens', DELETE, query, ...asked('deleteTokens', query)));
      return { deletedCount };
    },
  };
}

module.exports = { redisTokenMethods };
