/** The HTTP of a trace as HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/), which browsers' tools read. */

const { isMapping } = require('../config');
const { version } = require('../../package.json');
const { Open } = require('./open');
const { exchangeOf } = require('./records');

/** Of one exchange; an event stream may go on for days. */
const MAX_CONTENT = 1024 * 1024;

/** Exchanges that have ended and are not written yet: what they carried may be told a little later. */
const LATE = 100;

/** Turns records into entries, each complete when its exchange is. */
class Har {
  /** Messages that no exchange carried, which no HAR can have. */
  left = 0;
  /** What exchanges carry that have not been told of yet, by their keys. */
  #early;
  #open;
  #ended;

  /** @param write  called with each entry */
  constructor(write) {
    const dropped = (exchange) => write(entryOf(exchange));
    this.#early = new Open({ most: LATE, dropped: ({ messages }) => this.#leave(messages) });
    this.#open = new Open({ dropped });
    this.#ended = new Open({ dropped, most: LATE });
    this.write = dropped;
  }

  add(record) {
    if (record.kind === 'message') this.#message(record);
    if (record.kind !== 'http') return;
    const { phase } = record;
    const id = exchangeOf(record);
    if (phase === 'request') {
      this.#open.begin(id, { request: record, sent: [], received: [], length: 0 });
      for (const message of this.#early.end(id)?.messages ?? []) this.#message(message);
      return;
    }
    const exchange = this.#open.get(id);
    // It began before the trace.
    if (!exchange) return;
    exchange[phase] = record;
    if (phase !== 'response') this.#ended.begin(id, this.#open.end(id));
  }

  /** Writes what is left. */
  end() {
    for (const exchange of [...this.#ended.values(), ...this.#open.values()]) this.write(exchange);
    for (const { messages } of this.#early.values()) this.#leave(messages);
  }

  #leave(messages) {
    this.left += messages.length;
  }

  #message(record) {
    const { direction, message, text } = record;
    const id = exchangeOf(record);
    // What is sent is never late: it belongs to an exchange that begins.
    const exchange = this.#open.get(id) ?? (direction === 'received' ? this.#ended.get(id) : undefined);
    if (!exchange) {
      const before = this.#early.get(id);
      if (id === undefined || before?.messages.length === LATE) this.#leave([record]);
      else if (before) before.messages.push(record);
      else this.#early.begin(id, { messages: [record] });
      return;
    }
    const written = message === undefined ? String(text ?? '') : JSON.stringify(message);
    exchange.length += written.length;
    if (exchange.length > MAX_CONTENT) exchange.isCut = true;
    else (direction === 'sent' ? exchange.sent : exchange.received).push(written);
  }
}

const SCHEMA_VERSION = '1.2';

/** What stands around the entries of the file. */
const HEAD = `{"log":${JSON.stringify({
  version: SCHEMA_VERSION,
  creator: { name: 'librechat-mcp-native', version },
}).slice(0, -1)},"entries":[`;
const TAIL = ']}}\n';

function entryOf(exchange) {
  const { request, response, end, failed } = exchange;
  const wait = numberOf(response?.ms ?? failed?.ms);
  const time = numberOf((end ?? failed ?? response)?.ms);
  const comments = [
    failed && `${failed.error?.code}: ${failed.error?.message}`,
    !end && !failed && 'The trace ends before the exchange.',
    exchange.isCut && 'Messages are left out.',
  ].filter(Boolean);
  return {
    startedDateTime: request.at,
    time,
    request: requestOf(exchange),
    response: responseOf(exchange),
    cache: {},
    // What the network did is not known apart.
    timings: { send: 0, wait, receive: Math.max(0, time - wait) },
    ...(comments.length > 0 && { comment: comments.join(' ') }),
    _server: request.server,
    _user: request.user,
    _purpose: request.purpose,
  };
}

function requestOf({ request, sent }) {
  const text = sent.length > 0 ? sent.join('\n') : request.body;
  const headers = headersOf(request);
  const url = String(request.url ?? '');
  const parameters = URL.canParse(url) ? [...new URL(url).searchParams] : [];
  const mimeType = typeOf(headers) ?? 'application/json';
  return {
    method: String(request.method ?? ''),
    url,
    httpVersion: '',
    cookies: [],
    headers,
    queryString: parameters.map(([name, value]) => ({ name, value })),
    ...(text !== undefined && { postData: { mimeType, text: String(text) } }),
    headersSize: -1,
    bodySize: text === undefined ? 0 : -1,
  };
}

function responseOf({ response, end, received }) {
  const headers = headersOf(response);
  const mimeType = typeOf(headers) ?? '';
  const isStream = mimeType.startsWith('text/event-stream');
  const ofMessages = isStream ? received.map((text) => `data: ${text}\n\n`).join('') : received.join('\n');
  const text = received.length > 0 ? ofMessages : end?.body;
  return {
    // 0: there was none.
    status: numberOf(response?.status),
    statusText: '',
    httpVersion: '',
    cookies: [],
    headers,
    content: { size: numberOf(end?.bytes), mimeType, ...(text !== undefined && { text: String(text) }) },
    redirectURL: headers.find(({ name }) => name.toLowerCase() === 'location')?.value ?? '',
    headersSize: -1,
    bodySize: -1,
  };
}

function headersOf(record) {
  const headers = isMapping(record?.headers) ? record.headers : {};
  return Object.entries(headers).map(([name, value]) => ({ name, value: String(value) }));
}

const typeOf = (headers) => headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value;

/** Times and sizes. */
const numberOf = (value) => (typeof value === 'number' && value >= 0 ? value : 0);

module.exports = { HEAD, Har, TAIL };
