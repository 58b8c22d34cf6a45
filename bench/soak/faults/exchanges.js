/**
 * What a server may do with a tool call, by transport: `send` messages at once, send one in `pieces`, `half` of one, `cut` the
 * connection, or `open` an answer and leave it so. Over Streamable HTTP also what only HTTP has.
 */

const { once } = require('node:events');
const { createBrotliCompress, createDeflate, createGzip, constants } = require('node:zlib');
const { delay } = require('../../../__test__/support/wait');

const PIECE_MS = 1;
const CODERS = {
  gzip: () => createGzip({ flush: constants.Z_SYNC_FLUSH }),
  deflate: () => createDeflate({ flush: constants.Z_SYNC_FLUSH }),
  br: () =>
    createBrotliCompress({
      flush: constants.BROTLI_OPERATION_FLUSH,
      params: { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 16 },
    }),
};
const CODINGS = ['gzip', 'deflate', 'br', undefined, undefined, undefined, undefined, undefined];

const cutInto = (bytes, size) => {
  const parts = [];
  for (let start = 0; start < bytes.length; start += size) parts.push(bytes.subarray(start, start + size));
  return parts;
};

const written = (stream, bytes) => new Promise((resolve) => stream.write(bytes, resolve));
const event = (text) => `event: message\ndata: ${text}\n\n`;

/** The end of a socket with no goodbye. */
const reset = (socket) => socket?.resetAndDestroy();

/** The messages of an event stream, coded or not. */
class Events {
  constructor(response, coding) {
    this.response = response;
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };
    if (coding) headers['content-encoding'] = coding;
    response.writeHead(200, headers);
    response.flushHeaders();
    this.body = response;
    if (coding) {
      this.body = CODERS[coding]();
      this.body.pipe(response);
    }
  }

  send(...texts) {
    return written(this.body, texts.map(event).join(''));
  }

  async pieces(text, size) {
    for (const piece of cutInto(Buffer.from(event(text)), size)) {
      await written(this.body, piece);
      await delay(PIECE_MS);
    }
  }

  half(text) {
    return written(this.body, event(text).slice(0, 8 + text.length / 2));
  }

  end(text = '') {
    this.body.end(text);
  }
}

/** A call over Streamable HTTP. `lose(name)` forgets the session and refuses as LOSSES says. */
function httpExchange(request, response, random, lose) {
  const coding = random.pick(CODINGS.filter((name) => request.headers['accept-encoding']?.includes(name) ?? !name));
  let events;
  const opened = () => (events ??= new Events(response, coding));
  const refuse = (status, body = '', type = 'text/plain') => {
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  };
  return {
    send: (...texts) => opened().send(...texts),
    pieces: (text, size) => opened().pieces(text, size),
    half: (text) => opened().half(text),
    open: () => opened(),
    end: () => {
      if (events) events.end();
    },
    cut: async () => {
      await delay(random.below(5));
      reset(request.socket);
    },
    json(text) {
      const headers = { 'content-type': 'application/json' };
      if (!coding) return response.writeHead(200, headers).end(text);
      response.writeHead(200, { ...headers, 'content-encoding': coding });
      const body = CODERS[coding]();
      body.pipe(response);
      body.end(text);
    },
    refuse,
    lose,
    unterminated: (text) => {
      opened().end(`data: ${text}`);
      events = undefined;
    },
    untyped: (text) => response.writeHead(200).end(text),
    /** The answer, and a little later the end of its connection. */
    async thenClose(text) {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(text);
      await once(response, 'close');
      await delay(random.below(50));
      if (random.below(2)) reset(request.socket);
      else request.socket.destroy();
    },
  };
}

/** A call over HTTP+SSE; the answer goes over the session's stream. */
function sseExchange(stream) {
  return {
    send: (...texts) => stream.send(...texts),
    pieces: (text, size) => stream.pieces(text, size),
    half: (text) => stream.half(text),
    open() {},
    end() {},
    cut: () => reset(stream.response.socket),
  };
}

function socketExchange(socket) {
  const sent = (text, options) => new Promise((resolve) => socket.send(text, options, resolve));
  return {
    send: (...texts) => Promise.all(texts.map((text) => sent(text, { fin: true }))),
    async pieces(text, size) {
      const parts = cutInto(Buffer.from(text), size);
      for (const [index, part] of parts.entries()) {
        await sent(part, { binary: false, fin: index === parts.length - 1 });
        await delay(PIECE_MS);
      }
    },
    /** A frame of which only a part comes. */
    half: (text) => written(socket._socket, Buffer.concat([Buffer.from([0x81, 126, 0xff, 0xff]), Buffer.from(text)])),
    open() {},
    end() {},
    cut: () => reset(socket._socket),
  };
}

function stdioExchange() {
  const out = (bytes) => written(process.stdout, bytes);
  return {
    send: (...texts) => out(texts.map((text) => `${text}\n`).join('')),
    async pieces(text, size) {
      for (const piece of cutInto(Buffer.from(`${text}\n`), size)) {
        await out(piece);
        await delay(PIECE_MS);
      }
    },
    half: (text) => out(text.slice(0, text.length / 2)),
    open() {},
    end() {},
    cut: () => process.kill(process.pid, 'SIGKILL'),
  };
}

module.exports = { Events, httpExchange, socketExchange, sseExchange, stdioExchange };
