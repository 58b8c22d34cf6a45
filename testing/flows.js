const { atOnce, check, checkSame, fresh, soon } = require('./rules');

const TYPE = 'mcp_oauth';
/** Times are those of a clock that may differ, but not by a day. */
const DAY_MS = 24 * 60 * 60 * 1000;

const RULES = {
  unknown: 'getFlowState resolves to null or undefined where there is no flow',
  pending: 'a flow that was begun is PENDING in every process, with a createdAt in milliseconds since the epoch',
  metadata: 'metadata is kept as JSON keeps it',
  replaced: 'initFlow takes the place of the flow that is there',
  completed: 'completeFlow makes a flow COMPLETED, with its result, completedAt, and what it was begun with',
  settled: 'a completed flow stays as it is: neither completeFlow nor failFlow changes it',
  failed: 'failFlow makes a flow FAILED, with the text of the error',
  none: 'completeFlow and failFlow make no flow where there is none',
  deleted: 'a flow that was deleted is gone',
  nothing: 'deleting a flow that is not there succeeds, and does not resolve to false',
  types: 'flows with one id and different types are apart',
  ids: 'flows with different ids are apart, whatever characters the ids have',
};

const GUARDED_RULES = {
  updated: 'completeFlowIfCurrent resolves to "updated" for the attempt that is there, and completes it',
  failedIf: 'failFlowIfCurrent resolves to "updated" for the attempt that is there, and fails it',
  state: 'an attempt with another state is "stale", and the flow stays as it is',
  createdAt: 'an attempt with another createdAt is "stale", and the flow stays as it is',
  stateless: 'an attempt whose metadata has no state is named by the empty state',
  missing: 'an attempt that is not there is "missing", and none is made',
  over: 'an attempt that has ended is "stale" to completeFlowIfCurrent, and the flow stays as it is',
  overFailed: 'an attempt that was completed is "stale" to failFlowIfCurrent, and the flow stays as it is',
  one: 'of many who complete one attempt at once exactly one is told "updated"',
};

function tools({ flowManager, other }) {
  const read = (rule, id, type = TYPE) => soon(rule, other.getFlowState(id, type));
  return {
    id: () => `${fresh('user')}:server`,
    read,
    isNothing: (flow) => flow === null || flow === undefined,
    async begin(id, metadata, type = TYPE) {
      await soon(RULES.pending, flowManager.initFlow(id, type, metadata));
      const flow = await read(RULES.pending, id, type);
      check(RULES.pending, flow?.status === 'PENDING', `it is ${flow?.status}`);
      return flow;
    },
    async is(rule, id, expected) {
      const flow = await read(rule, id);
      const members = Object.keys(expected).map((name) => [name, flow?.[name] ?? null]);
      checkSame(rule, Object.fromEntries(members), expected);
      return flow;
    },
    end: (id, type = TYPE) => flowManager.deleteFlow(id, type),
  };
}

const isTime = (time) => Number.isSafeInteger(time) && Math.abs(time - Date.now()) < DAY_MS;

/** @param {{ flowManager: any, other: any }} services  `other` is the flow manager as another process has it */
function flowTests({ flowManager, other }) {
  const { id, read, isNothing, begin, is, end } = tools({ flowManager, other });

  return {
    async unknown() {
      check(RULES.unknown, isNothing(await read(RULES.unknown, id())), 'there is one');
    },
    async pending() {
      const name = id();
      const flow = await begin(name, {});
      check(RULES.pending, isTime(flow.createdAt), `createdAt is ${flow.createdAt}`);
      await end(name);
    },
    async metadata() {
      const name = id();
      const metadata = {
        list: [],
        object: {},
        text: '\u00e4\u{1f511}"\\\u0000',
        big: 2 ** 53 - 1,
        small: 0.1,
        no: null,
        deep: [{ a: [1] }],
      };
      await begin(name, metadata);
      await is(RULES.metadata, name, { metadata });
      await end(name);
    },
    async replaced() {
      const name = id();
      await begin(name, { state: 'first' });
      await flowManager.completeFlow(name, TYPE, { of: 'first' });
      await soon(RULES.replaced, flowManager.initFlow(name, TYPE, { state: 'second' }));
      await is(RULES.replaced, name, { status: 'PENDING', metadata: { state: 'second' }, result: null });
      await end(name);
    },
    async completed() {
      const name = id();
      const { createdAt } = await begin(name, { a: 1 });
      const result = { access_token: 'token', list: [] };
      await soon(RULES.completed, flowManager.completeFlow(name, TYPE, result));
      const expected = { status: 'COMPLETED', result, createdAt, metadata: { a: 1 } };
      const flow = await is(RULES.completed, name, expected);
      check(RULES.completed, isTime(flow.completedAt), `completedAt is ${flow.completedAt}`);
      await end(name);
    },
    async settled() {
      const name = id();
      await begin(name, {});
      await flowManager.completeFlow(name, TYPE, { of: 'first' });
      await soon(RULES.settled, flowManager.completeFlow(name, TYPE, { of: 'second' }));
      await soon(RULES.settled, flowManager.failFlow(name, TYPE, 'too late'));
      await is(RULES.settled, name, { status: 'COMPLETED', result: { of: 'first' } });
      await end(name);
    },
    async failed() {
      for (const error of ['access_denied', new Error('access_denied')]) {
        const name = id();
        const { createdAt } = await begin(name, { a: 1 });
        await soon(RULES.failed, flowManager.failFlow(name, TYPE, error));
        await is(RULES.failed, name, { status: 'FAILED', error: 'access_denied', createdAt, metadata: { a: 1 } });
        await end(name);
      }
    },
    async none() {
      const name = id();
      await soon(RULES.none, flowManager.completeFlow(name, TYPE, {}));
      check(RULES.none, isNothing(await read(RULES.none, name)), 'there is one');
      await soon(RULES.none, flowManager.failFlow(name, TYPE, 'error'));
      check(RULES.none, isNothing(await read(RULES.none, name)), 'there is one');
    },
    async deleted() {
      const name = id();
      await begin(name, {});
      const answer = await soon(RULES.deleted, flowManager.deleteFlow(name, TYPE));
      check(RULES.deleted, answer !== false && isNothing(await read(RULES.deleted, name)), 'it is still there');
    },
    async nothing() {
      check(RULES.nothing, (await soon(RULES.nothing, flowManager.deleteFlow(id(), TYPE))) !== false, 'it is false');
    },
    async types() {
      const name = id();
      await begin(name, { of: TYPE });
      check(RULES.types, isNothing(await read(RULES.types, name, 'mcp_get_tokens')), 'the other type is there');
      await begin(name, { of: 'mcp_get_tokens' }, 'mcp_get_tokens');
      await is(RULES.types, name, { metadata: { of: TYPE } });
      await end(name, 'mcp_get_tokens');
      await is(RULES.types, name, { metadata: { of: TYPE } });
      await end(name);
    },
    async ids() {
      const user = fresh('user');
      const [long, odd] = ['x'.repeat(5000), '\u00e4 {}%/*\u{1f511}'];
      const names = [
        `${user}:a`,
        `${user}:A`,
        `${user}:a:b`,
        `${user}a:b`,
        `tenant:t:${user}:a`,
        `${user}:{a}`,
        `${user}:${odd}`,
        `${user}:${long}`,
        `${user}:${long}y`,
      ];
      for (const name of names) await soon(RULES.ids, flowManager.initFlow(name, TYPE, { of: name }));
      for (const name of names) await is(RULES.ids, name, { metadata: { of: name } });
      for (const name of names) await end(name);
    },
  };
}

/** The same of what LibreChat's manager has since autumn 2026. */
function guardedTests({ flowManager, other }) {
  const rules = GUARDED_RULES;
  const { id, read, isNothing, begin, is, end } = tools({ flowManager, other });
  const complete = (rule, name, { createdAt, state = 's' }, by = flowManager) =>
    soon(rule, by.completeFlowIfCurrent(name, TYPE, createdAt, state, { of: 'guarded' }));
  const fail = (rule, name, { createdAt, state = 's' }) =>
    soon(rule, flowManager.failFlowIfCurrent(name, TYPE, createdAt, state, 'guarded'));

  /** Both functions leave the flow alone, and say why. */
  async function refused(rule, name, attempt, answer, flow) {
    for (const settle of [complete, fail]) {
      checkSame(rule, await settle(rule, name, attempt), answer);
      if (flow) await is(rule, name, flow);
      else check(rule, isNothing(await read(rule, name)), 'there is one');
    }
  }

  return {
    async updated() {
      const name = id();
      checkSame(rules.updated, await complete(rules.updated, name, await begin(name, { state: 's' })), 'updated');
      await is(rules.updated, name, { status: 'COMPLETED', result: { of: 'guarded' }, metadata: { state: 's' } });
      await end(name);
    },
    async failedIf() {
      const name = id();
      checkSame(rules.failedIf, await fail(rules.failedIf, name, await begin(name, { state: 's' })), 'updated');
      await is(rules.failedIf, name, { status: 'FAILED', error: 'guarded', metadata: { state: 's' } });
      await end(name);
    },
    async state() {
      const name = id();
      const { createdAt } = await begin(name, { state: 's' });
      await refused(rules.state, name, { createdAt, state: 'other' }, 'stale', { status: 'PENDING' });
      await refused(rules.state, name, { createdAt, state: '' }, 'stale', { status: 'PENDING' });
      await end(name);
    },
    async createdAt() {
      const name = id();
      const { createdAt } = await begin(name, { state: 's' });
      await refused(rules.createdAt, name, { createdAt: createdAt - 1 }, 'stale', { status: 'PENDING' });
      await end(name);
    },
    async stateless() {
      const name = id();
      const { createdAt } = await begin(name, {});
      checkSame(rules.stateless, await complete(rules.stateless, name, { createdAt, state: '' }), 'updated');
      await end(name);
    },
    async missing() {
      await refused(rules.missing, id(), { createdAt: 1 }, 'missing');
    },
    async over() {
      for (const settle of ['completeFlow', 'failFlow']) {
        const name = id();
        const { createdAt } = await begin(name, { state: 's' });
        await flowManager[settle](name, TYPE, 'first');
        const { status, result = null, error = null } = await read(rules.over, name);
        checkSame(rules.over, await complete(rules.over, name, { createdAt }), 'stale');
        await is(rules.over, name, { status, result, error });
        await end(name);
      }
    },
    async overFailed() {
      const name = id();
      const { createdAt } = await begin(name, { state: 's' });
      await flowManager.completeFlow(name, TYPE, { of: 'first' });
      checkSame(rules.overFailed, await fail(rules.overFailed, name, { createdAt }), 'stale');
      await is(rules.overFailed, name, { status: 'COMPLETED', result: { of: 'first' } });
      await end(name);
    },
    async one() {
      const name = id();
      const attempt = await begin(name, { state: 's' });
      const answers = await atOnce(20, (index) => complete(rules.one, name, attempt, index % 2 ? flowManager : other));
      const updated = answers.filter((answer) => answer === 'updated');
      check(rules.one, updated.length === 1, `${updated.length} were`);
      await end(name);
    },
  };
}

module.exports = { GUARDED_RULES, RULES, guardedTests, tests: flowTests };
