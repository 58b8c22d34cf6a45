const { randomBytes } = require('node:crypto');
const { atOnce, check, checkSame, soon } = require('./rules');

/** Ends are those of a clock that may differ, but not by a day. */
const DAY_MS = 24 * 60 * 60 * 1000;
const LONG_S = (30 * DAY_MS) / 1000;

const RULES = {
  unknown: 'findToken resolves to null or undefined where there is no row',
  same: 'findToken gives the row that was created, in every process: token, metadata, createdAt and expiresAt',
  bare: 'a row may have no metadata',
  changed: 'updateToken changes what it is given of a row, and leaves the rest',
  metadata: 'updateToken replaces metadata as a whole',
  end: 'updateToken takes an end as expiresAt',
  token: 'updateToken resolves to null for a row with another token, which stays as it is',
  set: 'updateToken resolves to null for a row of another credential set, which stays as it is',
  noSet: 'updateToken with the credential set null is for a row without one',
  missing: 'updateToken resolves to null where there is no row, and makes none',
  one: 'of many who replace one token at once exactly one is given a row',
  deleted: 'a row that was deleted is gone, and deletedCount is 1',
  deletedToken: 'deleteTokens leaves a row with another token, and deletedCount is 0',
  deletedSet: 'deleteTokens leaves a row of another credential set, and deletedCount is 0',
  nothing: 'deleting what is not there does not fail, and deletedCount is 0',
  apart: 'rows of different users, types and identifiers are apart',
};

const SET = { credential_set_id: 'first' };
/** As MongoDB has them. */
const freshId = () => randomBytes(12).toString('hex');
const isNothing = (row) => row === null || row === undefined;
const time = (value) => new Date(value).getTime();
const isNear = (value, ms) => Math.abs(time(value) - ms) < DAY_MS;

/** @param {{ tokenMethods: any, other: any }} services  `other` are the token methods as another process has them */
function tokenMethodTests({ tokenMethods: methods, other }) {
  const key = () => ({ userId: freshId(), type: 'mcp_oauth', identifier: 'mcp:server' });
  const create = (rule, row, more) =>
    soon(rule, methods.createToken({ ...row, token: 'a', expiresIn: LONG_S, ...more }));
  const read = (rule, row) => soon(rule, other.findToken(row));
  const update = (rule, query, changes) => soon(rule, methods.updateToken(query, changes));
  const remove = (rule, query) => soon(rule, methods.deleteTokens(query));
  const end = (row) => methods.deleteTokens(row);

  /** Metadata may be a `Map`, as mongoose has it. */
  async function is(rule, row, token, metadata) {
    const found = await read(rule, row);
    const members = found?.metadata instanceof Map ? Object.fromEntries(found.metadata) : (found?.metadata ?? {});
    checkSame(rule, { token: found?.token, metadata: members }, { token, metadata });
    return found;
  }

  async function isRefused(rule, row, query, metadata) {
    const answer = await update(rule, { ...row, ...query }, { token: 'b' });
    check(rule, answer === null, 'it was changed');
    await is(rule, row, 'a', metadata);
    await end(row);
  }

  async function isLeft(rule, row, query) {
    await create(rule, row, { metadata: SET });
    checkSame(rule, (await remove(rule, { ...row, ...query }))?.deletedCount, 0);
    await is(rule, row, 'a', SET);
    await end(row);
  }

  return {
    async unknown() {
      check(RULES.unknown, isNothing(await read(RULES.unknown, key())), 'there is one');
    },
    async same() {
      const row = key();
      const token = `${'0f'.repeat(16)}:${'x'.repeat(20_000)}`;
      const metadata = {
        ...SET,
        list: ['a', 'b'],
        text: '\u00e4\u{1f511}"\\',
        number: 0.1,
        no: null,
        deep: { a: [1] },
      };
      await create(RULES.same, row, { token, metadata });
      const { createdAt, expiresAt } = await is(RULES.same, row, token, metadata);
      check(RULES.same, isNear(createdAt, Date.now()), `createdAt is ${createdAt}`);
      check(RULES.same, isNear(expiresAt, Date.now() + LONG_S * 1000), `expiresAt is ${expiresAt}`);
      await end(row);
    },
    async bare() {
      const row = key();
      await create(RULES.bare, row);
      await is(RULES.bare, row, 'a', {});
      await end(row);
    },
    async changed() {
      const row = key();
      await create(RULES.changed, row, { metadata: SET });
      const query = { ...row, token: 'a', metadataCredentialSetId: SET.credential_set_id };
      check(RULES.changed, (await update(RULES.changed, query, { token: 'b' })) !== null, 'it is null');
      const { expiresAt } = await is(RULES.changed, row, 'b', SET);
      check(RULES.changed, isNear(expiresAt, Date.now() + LONG_S * 1000), `expiresAt is ${expiresAt}`);
      await update(RULES.changed, row, { expiresIn: 2 * LONG_S });
      const later = await is(RULES.changed, row, 'b', SET);
      check(RULES.changed, isNear(later.expiresAt, Date.now() + 2 * LONG_S * 1000), `then ${later.expiresAt}`);
      await end(row);
    },
    async metadata() {
      const row = key();
      await create(RULES.metadata, row, { metadata: { ...SET, more: 'x' } });
      await update(RULES.metadata, row, { metadata: { credential_set_id: 'second' } });
      await is(RULES.metadata, row, 'a', { credential_set_id: 'second' });
      const query = { ...row, metadataCredentialSetId: 'second' };
      check(RULES.metadata, (await update(RULES.metadata, query, { token: 'b' })) !== null, 'it is not of its set');
      await end(row);
    },
    async end() {
      const row = key();
      await create(RULES.end, row);
      const expiresAt = new Date(Date.now() + 3 * LONG_S * 1000);
      await update(RULES.end, row, { expiresAt });
      checkSame(RULES.end, time((await read(RULES.end, row))?.expiresAt), expiresAt.getTime());
      await end(row);
    },
    async token() {
      const row = key();
      await create(RULES.token, row);
      await isRefused(RULES.token, row, { token: 'A' }, {});
    },
    async set() {
      const row = key();
      for (const metadataCredentialSetId of ['second', null]) {
        await create(RULES.set, row, { metadata: SET });
        await isRefused(RULES.set, row, { token: 'a', metadataCredentialSetId }, SET);
      }
    },
    async noSet() {
      const row = key();
      await create(RULES.noSet, row, { metadata: {} });
      const query = { ...row, token: 'a', metadataCredentialSetId: null };
      check(RULES.noSet, (await update(RULES.noSet, query, { metadata: SET })) !== null, 'it is null');
      await isRefused(RULES.noSet, row, query, SET);
    },
    async missing() {
      const row = key();
      check(RULES.missing, (await update(RULES.missing, row, { token: 'b', expiresIn: LONG_S })) === null, 'it is not');
      check(RULES.missing, isNothing(await read(RULES.missing, row)), 'there is one');
    },
    async one() {
      const row = key();
      await create(RULES.one, row);
      const replace = (by, token) => soon(RULES.one, by.updateToken({ ...row, token: 'a' }, { token }));
      const answers = await atOnce(20, (index) => replace(index % 2 ? methods : other, `b${index}`));
      const given = answers.flatMap((answer, index) => (answer === null ? [] : [`b${index}`]));
      check(RULES.one, given.length === 1, `${given.length} were`);
      await is(RULES.one, row, given[0], {});
      await end(row);
    },
    async deleted() {
      const row = key();
      await create(RULES.deleted, row, { metadata: SET });
      const query = { ...row, token: 'a', metadataCredentialSetId: SET.credential_set_id };
      checkSame(RULES.deleted, (await remove(RULES.deleted, query))?.deletedCount, 1);
      check(RULES.deleted, isNothing(await read(RULES.deleted, row)), 'it is still there');
    },
    async deletedToken() {
      await isLeft(RULES.deletedToken, key(), { token: 'b' });
    },
    async deletedSet() {
      const row = key();
      for (const metadataCredentialSetId of ['second', null]) {
        await isLeft(RULES.deletedSet, row, { metadataCredentialSetId });
      }
    },
    async nothing() {
      checkSame(RULES.nothing, (await remove(RULES.nothing, key()))?.deletedCount, 0);
    },
    async apart() {
      const { userId } = key();
      const named = (user, type, identifier) => ({ userId: user, type, identifier });
      const rows = [
        named(userId, 'mcp_oauth', 'mcp:a'),
        named(freshId(), 'mcp_oauth', 'mcp:a'),
        named(userId, 'mcp_oauth', 'mcp:a:a'),
        named(userId, 'mcp_oauth', 'mcp:A'),
        named(userId, 'mcp_oauth', 'mcp:a:refresh'),
        named(userId, 'mcp_oauth_refresh', 'mcp:a:refresh'),
        named(userId, 'mcp_oauth_client', 'mcp:a:client'),
        named(userId, 'mcp_oauth', 'mcp:\u00e4'),
        named(userId, 'mcp_oauth', 'mcp:{a}'),
      ];
      for (const [index, row] of rows.entries()) await create(RULES.apart, row, { token: `t${index}` });
      for (const [index, row] of rows.entries()) await is(RULES.apart, row, `t${index}`, {});
      await remove(RULES.apart, rows[0]);
      for (const [index, row] of rows.slice(1).entries()) await is(RULES.apart, row, `t${index + 1}`, {});
      for (const row of rows) await end(row);
    },
  };
}

module.exports = { RULES, tests: tokenMethodTests };
