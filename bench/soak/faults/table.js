/**
 * What goes wrong with a tool call, by the name of the fault: `[weight, harmless, work]`. A call that meets a harmless
 * fault ends with its own answer, unless its connection is lost for another reason.
 *
 * `work(exchange, answer, random)` sends what a server sends for the call; `exchange` is one of exchanges.js.
 */

const { delay } = require('../../../__test__/support/wait');
const { createRandom, seedOf } = require('../random');

const FLOOD = 400;
/** Each is answered, over Streamable HTTP with a request of its own. */
const REQUEST_FLOOD = 100;
const SMALLEST_PIECE = 8;
const LATEST_MS = 400;
const text = (message) => JSON.stringify(message);
const note = (method, params) => text({ jsonrpc: '2.0', method, params });
const ask = (id, method, params) => text({ jsonrpc: '2.0', id, method, params });
/** The answer to a request that was never made: no client may take it for its own. */
const foreign = (id) => text({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'of nobody' }] } });

/** On every transport. */
const COMMON = {
  none: [60, true, ({ send }, answer) => send(text(answer))],
  'a late answer': [
    8,
    true,
    async ({ send }, answer, random) => {
      await delay(random.below(LATEST_MS));
      await send(text(answer));
    },
  ],
  'no answer': [1, false, ({ open }) => open()],
  'answers to nobody, then the own': [
    4,
    true,
    ({ send }, answer) => send(...[answer.id + 1e6, -1, 'nobody'].map(foreign), text(answer)),
  ],
  'an answer to nobody alone': [1, false, ({ send }, answer) => send(foreign(answer.id + 1e6))],
  'the id as text': [3, true, ({ send }, answer) => send(text({ ...answer, id: String(answer.id) }))],
  'the answer twice': [3, true, ({ send }, answer) => send(text(answer), text(answer))],
  'an answer in an array': [
    3,
    true,
    ({ send }, answer) => send(`[${note('notifications/message', { level: 'info', data: 'x' })},${text(answer)}]`),
  ],
  'what is no message, then the answer': [
    3,
    true,
    ({ send }, answer) => send('hello', '{"jsonrpc":"2.0", oops', '{"type":"connected"}', '42', text(answer)),
  ],
  'a flood of notifications': [
    2,
    true,
    ({ send }, answer) => {
      const flood = Array.from({ length: FLOOD }, (_, count) => [
        note('notifications/message', { level: 'info', data: `line ${count}` }),
        note('notifications/progress', { progressToken: answer.id, progress: count }),
        note('notifications/resources/list_changed'),
      ]);
      return send(...flood.flat(), text(answer));
    },
  ],
  'a flood of requests': [
    1,
    true,
    ({ send }, answer) => {
      const methods = ['ping', 'roots/list', 'sampling/createMessage', 'elicitation/create', 'no/such'];
      const flood = Array.from({ length: REQUEST_FLOOD }, (_, count) =>
        ask(`${answer.id}-${count}`, methods[count % methods.length], {}),
      );
      return send(...flood, text(answer));
    },
  ],
  'an answer in pieces': [
    3,
    true,
    async ({ pieces }, answer, random) => {
      await pieces(text(answer), SMALLEST_PIECE + random.below(40));
    },
  ],
  'a large answer': [
    1,
    true,
    ({ send }, answer) => {
      const [item] = answer.result.content;
      return send(text({ ...answer, result: { content: [{ ...item, text: item.text.padEnd(2 ** 19, '.') }] } }));
    },
  ],
  'an error': [
    2,
    false,
    ({ send }, { id }) => send(text({ jsonrpc: '2.0', id, error: { code: -32603, message: 'no' } })),
  ],
  'neither result nor error': [1, false, ({ send }, { id }) => send(text({ jsonrpc: '2.0', id }))],
  'the end before the answer': [2, false, ({ cut }) => cut()],
  'the end in the middle of the answer': [
    2,
    false,
    async ({ half, cut }, answer) => {
      await half(text(answer));
      await cut();
    },
  ],
};

const refuse =
  (status, body, type) =>
  ({ refuse: refuseWith }) =>
    refuseWith(status, body, type);

/** Over Streamable HTTP. */
const OVER_HTTP = {
  'a kept connection that is closed in silence': [4, true, ({ thenClose }, answer) => thenClose(text(answer))],
  'an unterminated last event': [3, true, ({ unterminated }, answer) => unterminated(text(answer))],
  'no content type': [2, true, ({ untyped }, answer) => untyped(text(answer))],
  'status 500': [1, false, refuse(500, 'Internal error')],
  'status 503': [1, false, refuse(503, '')],
  'status 429': [1, false, refuse(429, '')],
  'status 400': [1, false, refuse(400, 'Invalid arguments')],
  'a page': [1, false, refuse(200, '<!doctype html><title>Welcome</title>', 'text/html')],
  'an empty answer': [1, false, refuse(200, '', 'application/json')],
  'broken JSON': [1, false, refuse(200, '{"jsonrpc":"2.0",', 'application/json')],
};

const error = (code, message) => JSON.stringify({ jsonrpc: '2.0', id: null, error: { code, message } });
const JSON_TYPE = 'application/json';
/** How servers say that they do not know a session: status, body, content type. */
const LOSSES = {
  404: [404, 'Not found', 'text/plain'],
  '404, JSON-RPC': [404, error(-32001, 'Session not found'), JSON_TYPE],
  '400, text': [400, 'No valid session ID provided', 'text/plain'],
  '400, JSON-RPC': [400, error(-32000, 'Bad Request: Server not initialized'), JSON_TYPE],
  '400, empty': [400, '', 'text/plain'],
  409: [409, '', 'text/plain'],
  410: [410, 'Gone', 'text/plain'],
  422: [422, '', 'text/plain'],
  '200, -32001': [200, error(-32001, 'Session not found'), JSON_TYPE],
  '200, not initialized': [200, error(-32602, 'Received request before initialization was complete'), JSON_TYPE],
  '500, session': [500, 'session not found', 'text/plain'],
};
for (const name of Object.keys(LOSSES)) {
  OVER_HTTP[`a lost session: ${name}`] = [1, !name.startsWith('500'), ({ lose }) => lose(name)];
}

const TABLES = { http: { ...COMMON, ...OVER_HTTP }, sse: COMMON, websocket: COMMON, stdio: COMMON };
const BAGS = Object.fromEntries(
  Object.entries(TABLES).map(([wire, table]) => [
    wire,
    Object.entries(table).flatMap(([name, [weight]]) => Array(weight).fill(name)),
  ]),
);

/** How the text of a call begins that is to meet no fault. */
const CALM = 'calm ';

/** The fault of a call, which its text and the seed say: whoever calls knows it as well as the server. */
const faultOf = (seed, wire, call) =>
  call.startsWith(CALM) ? 'none' : createRandom(seedOf(seed, call)).pick(BAGS[wire]);

module.exports = { CALM, LOSSES, TABLES, faultOf };
