/**
 * Who may use the page's server. Other users of the machine and other pages of the browser can reach its port as well, so
 * whoever asks shows a key: the page gets it once, for the token that stands in the address which the terminal shows.
 *
 * The page keeps the key for its tab and sends it in a header. A cookie would do less: browsers send it to every port of
 * the same host, and by themselves.
 */

const { createHash, randomBytes, timingSafeEqual } = require('node:crypto');

const SECRET_BYTES = 32;

/** Everything that the page is made of comes from its own server, and nothing may frame it. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  'media-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Of every answer. */
const HEADERS = Object.freeze({
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
});

const secret = () => randomBytes(SECRET_BYTES).toString('base64url');

/** Compares in a time that says nothing of either. */
function isSame(expected, given) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(expected), digest(given));
}

class Guard {
  #token = secret();
  #key = secret();
  #hosts;

  /** @param port  where the server listens */
  constructor(port) {
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  }

  /** The address for the user's browser. What stands behind `#` is sent to no server. */
  get address() {
    return `http://${this.#hosts[0]}/#token=${this.#token}`;
  }

  /** The key for the token, the first time; `undefined` for another token, and from then on. */
  exchange(token) {
    if (this.#token === undefined || !isSame(this.#token, token)) return undefined;
    this.#token = undefined;
    return this.#key;
  }

  /** Whether the request has the key. */
  knows({ headers }) {
    return isSame(`Bearer ${this.#key}`, headers.authorization);
  }

  /**
   * Why a request is refused, whoever makes it. A name that someone else has pointed at 127.0.0.1 is no name of this
   * server, and a page of another origin changes nothing here.
   */
  objection({ method, headers }) {
    if (!this.#hosts.includes(headers.host)) return 'this server has another name';
    const isRead = method === 'GET' || method === 'HEAD';
    if (!isRead && headers.origin !== `http://${headers.host}`) return 'the request comes from another page';
    return undefined;
  }
}

module.exports = { Guard, HEADERS };
