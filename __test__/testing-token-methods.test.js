/** The contract's tests of token methods: nothing is found in LibreChat's, and each fault is. */

const { answering, brokenRules, changed } = require('./support/contract');
const { useFixtures } = require('./support/fixtures');
const { MemoryRows } = require('./support/memory-services');
const { startMongo } = require('./support/mongo');
const { openTokenStore } = require('./support/token-store');
const { delay } = require('./support/wait');

const fixtures = useFixtures();

/** Asks for the row with another query. */
const asking = (name, change) => changed(MemoryRows, name, (query, ...more) => [change(query), ...more]);
const without = (member) => (query) => ({ ...query, [member]: undefined });
const OTHER_SET = 'updateToken resolves to null for a row of another credential set, which stays as it is';

const ROWS = {
  'updates whatever the token': [
    asking('updateToken', without('token')),
    [
      'updateToken resolves to null for a row with another token, which stays as it is',
      'of many who replace one token at once exactly one is given a row',
    ],
  ],
  'knows no sets': [
    asking('updateToken', without('metadataCredentialSetId')),
    [OTHER_SET, 'updateToken with the credential set null is for a row without one'],
  ],
  'takes null for any set': [
    asking('updateToken', (query) => ({
      ...query,
      metadataCredentialSetId: query.metadataCredentialSetId ?? undefined,
    })),
    [OTHER_SET, 'updateToken with the credential set null is for a row without one'],
  ],
  'looks, and updates a moment later': [
    class extends MemoryRows {
      async updateToken(query, changes) {
        if (!(await this.findToken(query))) return null;
        await delay(5);
        return super.updateToken({ ...query, token: undefined }, changes);
      }
    },
    ['of many who replace one token at once exactly one is given a row'],
  ],
  'makes what it updates': [
    class extends MemoryRows {
      async updateToken(query, changes) {
        const isThere = this.rows.has(this.key(query));
        if (!isThere) await this.createToken({ ...query, ...changes });
        return super.updateToken(query, changes);
      }
    },
    ['updateToken resolves to null where there is no row, and makes none'],
  ],
  'merges metadata': [
    class extends MemoryRows {
      async updateToken(query, { metadata, ...changes }) {
        const row = await this.findToken(query);
        const merged = metadata && { metadata: { ...row?.metadata, ...metadata } };
        return super.updateToken(query, { ...changes, ...merged });
      }
    },
    ['updateToken replaces metadata as a whole'],
  ],
  'forgets what it is not given': [
    changed(MemoryRows, 'updateToken', (query, changes) => [query, { metadata: undefined, ...changes }]),
    ['updateToken changes what it is given of a row, and leaves the rest'],
  ],
  'knows expiresIn only': [
    changed(MemoryRows, 'updateToken', (query, { expiresAt, ...changes }) => [query, changes]),
    ['updateToken takes an end as expiresAt'],
  ],
  'counts in milliseconds': [
    changed(MemoryRows, 'createToken', (row) => [{ ...row, expiresIn: row.expiresIn / 1000 }]),
    [
      'findToken gives the row that was created, in every process: token, metadata, createdAt and expiresAt',
      'updateToken changes what it is given of a row, and leaves the rest',
    ],
  ],
  'keeps short tokens': [
    changed(MemoryRows, 'createToken', (row) => [{ ...row, token: row.token.slice(0, 4096) }]),
    ['findToken gives the row that was created, in every process: token, metadata, createdAt and expiresAt'],
  ],
  'needs metadata': [
    class extends MemoryRows {
      async createToken(row) {
        await super.createToken({ ...row, metadata: { ...row.metadata } });
        if (!row.metadata) throw new Error('no metadata');
      }
    },
    [
      'a row may have no metadata',
      'updateToken takes an end as expiresAt',
      'updateToken resolves to null for a row with another token, which stays as it is',
      'of many who replace one token at once exactly one is given a row',
      'rows of different users, types and identifiers are apart',
    ],
  ],
  'deletes whatever the token': [
    asking('deleteTokens', without('token')),
    ['deleteTokens leaves a row with another token, and deletedCount is 0'],
  ],
  'deletes whatever the set': [
    asking('deleteTokens', without('metadataCredentialSetId')),
    ['deleteTokens leaves a row of another credential set, and deletedCount is 0'],
  ],
  'deletes nothing': [
    class extends MemoryRows {
      async deleteTokens(query) {
        return { deletedCount: Number(this.is(this.rows.get(this.key(query)), query)) };
      }
    },
    ['a row that was deleted is gone, and deletedCount is 1'],
  ],
  'always says one': [
    answering(MemoryRows, 'deleteTokens', () => ({ deletedCount: 1 })),
    [
      'deleteTokens leaves a row with another token, and deletedCount is 0',
      'deleteTokens leaves a row of another credential set, and deletedCount is 0',
      'deleting what is not there does not fail, and deletedCount is 0',
    ],
  ],
  'knows no types': [
    changed(MemoryRows, 'key', ({ type, ...row }) => [row]),
    ['rows of different users, types and identifiers are apart'],
  ],
};

test('nothing is found in what keeps the contract, and in LibreChat’s own', async () => {
  const mongo = fixtures.keep(await startMongo());
  const store = fixtures.keep(await openTokenStore(mongo));
  for (const tokenMethods of [new MemoryRows(), store.services.tokenMethods])
    expect(await brokenRules({ tokenMethods })).toEqual([]);
});

test.each(Object.entries(ROWS))('a fault is found, and no other: %s', async (_, [Faulty, rules]) => {
  const errors = await brokenRules({ tokenMethods: new Faulty() });
  expect(errors.map((error) => error.rule ?? String(error))).toEqual(rules);
});
