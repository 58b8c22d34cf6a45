/** Ways for the small server to misbehave; each is a value for `server.fault`. */

const MIB = 1024 * 1024;

const answer =
  (status, body = '', contentType = 'text/plain') =>
  ({ response }) => {
    response.writeHead(status, { 'content-type': contentType });
    response.end(body);
    return true;
  };

/** Takes the request and never answers. */
const hang = () => () => true;

const html = () => answer(200, '<!doctype html><title>Welcome</title>', 'text/html');

const garbage = () => answer(200, '{"jsonrpc": "2.0", oops', 'application/json');

/** One JSON body of that many MiB, sent as fast as the reader takes it. */
const largeBody = (mib) => {
  const filler = Buffer.alloc(MIB, 'x');
  return ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"jsonrpc":"2.0","id":0,"result":{"filler":"');
    let left = mib;
    const send = () => {
      while (left > 0) {
        left -= 1;
        if (!response.write(filler)) return response.once('drain', send);
      }
      return response.end('"}}');
    };
    send();
    return true;
  };
};

/** Begins an answer and breaks the connection. */
const dropMidResponse = () => {
  return ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('event: message\ndata: {"jsonrpc":"2.0",', () => response.destroy());
    return true;
  };
};

/** The fault, for messages with this method only. */
const on = (method, fault) => (exchange) => exchange.message?.method === method && fault(exchange);

/**
 * Answers messages with these methods in the server's place.
 *
 * @param answers  by method: `(message, exchange) => { result }` or `{ error }`, or JSON text of one
 */
const scripted = (answers) => (exchange) => {
  const { message, response } = exchange;
  const make = answers[message?.method];
  if (!make) return false;
  const made = make(message, exchange);
  const members = (typeof made === 'string' ? made : JSON.stringify(made)).trim().slice(1);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},${members}`);
  return true;
};

module.exports = { answer, dropMidResponse, garbage, hang, html, largeBody, on, scripted };
