/**
 * A server that asks its client something during each tool call, by hand: real servers do not choose the stream on which
 * they ask. `where` is that stream: 'call' (the one that answers the call), 'get' (the GET stream), 'sse' (HTTP+SSE).
 * The text of a tool's result is what the client answered, as JSON. Beside the `method` of the question, the arguments of
 * a call may ask for `logs` (messages before it), `pings` (in one piece, in its place), or name a question to `withdraw`.
 */

const http = require('node:http');

const QUESTIONS = {
  'elicitation/create': {
    message: 'Who are you?',
    requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
  },
  'sampling/createMessage': { messages: [{ role: 'user', content: { type: 'text', text: 'Who?' } }], maxTokens: 10 },
  'roots/list': undefined,
};

const event = (message) => `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;

async function startAskingServer(where) {
  const waiting = new Map();
  const streams = new Set();
  const declared = [];
  const answered = [];
  let asked = 0;

  /** Asks on `stream` and resolves to the client's answer. */
  const ask = (stream, method) =>
    new Promise((resolve) => {
      const id = `question-${++asked}`;
      waiting.set(id, resolve);
      stream.write(event({ id, method, params: QUESTIONS[method] }));
    });

  async function answerTo({ method, logs = 0, pings = 0, withdraw }, stream) {
    const tell = (notification, data) => stream.write(event({ method: notification, params: data }));
    stream.cork();
    for (let data = 0; data < logs; data++) tell('notifications/message', { level: 'info', data });
    if (withdraw) tell('notifications/cancelled', { requestId: withdraw });
    const answers = Array.from({ length: pings }, () => ask(stream, 'ping'));
    process.nextTick(() => stream.uncork());
    const answer = await (method ? ask(stream, method) : Promise.all(answers));
    waiting.get(withdraw)?.({ withdrawn: true });
    return answer;
  }

  async function resultOf({ method, params }, stream) {
    if (method === 'initialize') {
      declared.push(Object.keys(params.capabilities));
      return {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'asks', version: '1' },
      };
    }
    if (method === 'tools/list') return { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] };
    if (method !== 'tools/call') return {};
    const answer = await answerTo(params.arguments, where === 'call' ? stream : [...streams][0]);
    return { content: [{ type: 'text', text: JSON.stringify(answer) }] };
  }

  function openStream(response) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(where === 'sse' ? 'event: endpoint\ndata: /messages\n\n' : ':\n\n');
    streams.add(response);
    response.on('close', () => streams.delete(response));
  }

  async function answer(message, response) {
    if (message.method === undefined) {
      answered.push(message.id);
      waiting.get(message.id)?.(message.result ?? { error: message.error });
      return response.writeHead(202).end();
    }
    if (message.id === undefined) return response.writeHead(202).end();
    if (where === 'sse') {
      response.writeHead(202).end();
      const [stream] = streams;
      return stream.write(event({ id: message.id, result: await resultOf(message, stream) }));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': 'one' });
    response.flushHeaders();
    return response.end(event({ id: message.id, result: await resultOf(message, response) }));
  }

  const listener = http.createServer(async (request, response) => {
    if (request.method === 'DELETE') return response.writeHead(200).end();
    if (request.method === 'GET') return where === 'call' ? response.writeHead(405).end() : openStream(response);
    let text = '';
    for await (const chunk of request) text += chunk;
    return answer(JSON.parse(text), response);
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${listener.address().port}`;
  const type = where === 'sse' ? 'sse' : 'streamable-http';
  return {
    address,
    /** The capabilities that each session was told of. */
    declared,
    /** The ids of the questions that the client has answered. */
    answered,
    hasStream: () => streams.size > 0,
    config: (extra) => ({ type, url: `http://${address}/mcp`, requiresOAuth: false, source: 'yaml', ...extra }),
    close: () =>
      new Promise((resolve) => {
        listener.close(resolve);
        listener.closeAllConnections();
      }),
  };
}

module.exports = { startAskingServer };
