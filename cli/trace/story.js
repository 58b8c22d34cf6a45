/** A trace as a sequence that people can read: one line for each thing that happened. */

const { isMapping } = require('../config');
const { clean, paint } = require('../output');
const { Open } = require('./open');
const { exchangeOf } = require('./records');

const MAX_TEXT = 300;

/** Requests that are no MCP, in words. */
const PURPOSES = {
  detection: 'finds out whether a login is wanted',
  metadata: 'reads metadata',
  registration: 'registers a client',
  par: 'pushes the authorization request',
  token: 'redeems the code for tokens',
  refresh: 'refreshes the tokens',
  revocation: 'revokes a token',
  obo: "exchanges the user's token",
  grant: 'asks for a token of its own',
};

const STEPS = {
  connecting: 'begins to connect',
  connected: 'is connected',
  disconnected: 'is disconnected',
  'process-started': 'the process has started',
  'process-ended': 'the process has ended',
  'authorization-url': 'the user is sent to authorize',
  'authorization-callback': 'the browser has come back',
  'tokens-stored': 'the tokens are stored',
  'tokens-found': 'stored tokens are used',
  retry: 'tries again',
  'obo-cache-hit': 'an exchanged token is still good',
};

/** Turns records into lines; texts in these are safe on a terminal. */
class Story {
  #start;
  /** HTTP exchanges by their keys. */
  #exchanges = new Open();
  /** JSON-RPC requests by connection, direction and id. */
  #requests = new Open();
  /** The keys of those that an HTTP exchange carries, by its key. */
  #carried = new Open();

  /** The line of a record; `undefined` where others tell it already. */
  line(record) {
    if (record.kind === 'lost') return paint.yellow(`! a gap: ${short(record.count)} records were lost here`);
    this.#start ??= record.time;
    const told = this.#told(record);
    if (!told) return undefined;
    const { arrow, text, ms, failed } = told;
    const at = `${((record.time - this.#start) / 1e6).toFixed(3)} s`.padStart(10);
    const server = short(record.server ?? '–').padEnd(12);
    const took = typeof ms === 'number' ? paint.dim(` (${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms)`) : '';
    const mark = failed ? paint.red('✗ ') : '';
    return `${paint.dim(at)}  ${paint.bold(server)} ${paint.cyan(arrow)} ${mark}${failed ? paint.red(text) : text}${took}`;
  }

  /** A line for each request that nobody has answered. */
  unanswered() {
    const at = ({ time }) => `${((time - this.#start) / 1e6).toFixed(3)} s`;
    const exchanges = [...this.#exchanges.values()].filter(
      (request) => !request.isAnswered && !isToldByMessages(request),
    );
    return [...this.#requests.values(), ...exchanges].map(
      (request) => `${short(request.server ?? '–')}: ${request.title}, since ${at(request)}`,
    );
  }

  #told(record) {
    if (record.kind === 'message') return this.#message(record);
    return record.kind === 'http' ? this.#http(record) : step(record);
  }

  #message(record) {
    const { direction, process, connection, message, text, bytes, server, time, transport } = record;
    const isSent = direction === 'sent';
    const arrow = isSent ? '→' : '←';
    if (!isMapping(message)) {
      if (Array.isArray(message)) return { arrow, text: `${message.length} messages at once` };
      return { arrow, text: `${short(transport)}, ${Number(bytes)} bytes: ${short(text ?? '')}` };
    }
    const { id, method, error, result } = message;
    const key = (by) => JSON.stringify([process, connection, by, id]);
    if (method !== undefined) {
      const title = short([method, targetOf(message)].filter(Boolean).join(' '));
      if (id === undefined) return { arrow, text: title };
      this.#requests.begin(key(direction), { title, time, server });
      const exchange = exchangeOf(record);
      if (isSent && exchange !== undefined) this.#carried.begin(exchange, key(direction));
      return { arrow, text: title };
    }
    const asked = this.#requests.end(key(isSent ? 'received' : 'sent'));
    const title = asked?.title ?? 'an answer to nothing that is in this trace';
    const ms = asked && (time - asked.time) / 1000;
    if (error !== undefined) {
      return { arrow, text: `${title}: error ${short(error?.code)} ${short(error?.message)}`, ms, failed: true };
    }
    const failed = result?.isError === true;
    return { arrow, text: `${title}: ${failed ? `failed: ${short(firstText(result))}` : 'ok'}`, ms, failed };
  }

  #http(record) {
    const { phase, purpose, method, url, status, ms, error, time, server } = record;
    const id = exchangeOf(record);
    if (phase === 'request') {
      const what = Object.hasOwn(PURPOSES, purpose) ? `${PURPOSES[purpose]}: ` : '';
      const request = {
        title: `${short(method)} ${short(url)}`,
        isMcp: purpose === 'mcp',
        method,
        time,
        server,
      };
      this.#exchanges.begin(id, request);
      return isToldByMessages(request) ? undefined : { arrow: '→', text: `${what}${request.title}` };
    }
    const request = phase === 'response' ? this.#exchanges.get(id) : this.#exchanges.end(id);
    if (request) request.isAnswered = true;
    // Whoever wants to know whether a login is wanted is glad of a 401.
    const failed = phase === 'failed' || (status >= 400 && purpose !== 'detection');
    const key = phase === 'response' && !failed ? undefined : this.#carried.end(id);
    const carried = failed ? this.#requests.end(key) : undefined;
    const title = carried?.title ?? request?.title ?? 'an exchange that began before this trace';
    if (phase === 'failed') {
      return { arrow: '←', text: `${title}: ${short(error?.message)} (${short(error?.code)})`, ms, failed };
    }
    if (phase !== 'response') {
      const isTold = request?.failed && typeof record.body === 'string' && record.body !== '';
      return isTold ? { arrow: '←', text: `and says: ${short(record.body)}` } : undefined;
    }
    if (request) request.failed = failed;
    if (request && isToldByMessages(request) && status < 300) return undefined;
    const headers = isMapping(record.headers) ? record.headers : {};
    const said = TELLING.filter((name) => Object.hasOwn(headers, name));
    const details = said.map((name) => `, ${name}: ${short(headers[name])}`).join('');
    return { arrow: '←', text: `${title}: HTTP ${short(status)}${details}`, ms, failed };
  }
}

/** Headers that say what to do. */
const TELLING = ['location', 'retry-after', 'www-authenticate'];

/** A POST with a message: the message says more. */
const isToldByMessages = ({ isMcp, method }) => isMcp && method === 'POST';

function step({ step: name, details }) {
  const known = Object.hasOwn(STEPS, name) ? STEPS[name] : short(name);
  const facts = isMapping(details) ? Object.entries(details).filter(([, value]) => value !== null) : [];
  const told = facts.map(([fact, value]) => `${short(fact)} ${short(value)}`).join(', ');
  return { arrow: '·', text: told ? `${known}: ${told}` : known };
}

/** What a request is about: a tool, a prompt, a resource. */
function targetOf({ params }) {
  const target = params?.name ?? params?.uri;
  return typeof target === 'string' ? target : undefined;
}

function firstText(result) {
  return [result?.content ?? []].flat().find((item) => typeof item?.text === 'string')?.text ?? 'no text';
}

/** A text for a part of one line. */
function short(text) {
  const whole = clean(text ?? '');
  return whole.length > MAX_TEXT ? `${whole.slice(0, MAX_TEXT)}…` : whole;
}

module.exports = { Story };
