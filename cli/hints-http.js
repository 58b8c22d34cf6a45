/** What to do about a server behind a URL that cannot be reached, or does not answer as one of MCP does. */

const CORRECT_PATH = "correct the path of `url`, which the server's documentation names (often /mcp, of HTTP+SSE /sse)";
const STREAMABLE = 'write `type: streamable-http`; without `type` a URL means sse, as in LibreChat';

/** By the HTTP status; `undefined` where there was none. */
function httpHint(known) {
  const { status } = known;
  if (!status) return undefined;
  if (status >= 300 && status < 400) return movedHint(known);
  if (known.transport === 'websocket') return websocketHint();
  if (status === 407) return 'The proxy wants credentials: give them in PROXY, or in `proxy` of the server.';
  if (known.transport === 'sse' && [400, 404, 405, 406].includes(status)) {
    return `The address has no event stream of HTTP+SSE: ${STREAMABLE}; if it is an HTTP+SSE server, correct the path of \`url\`.`;
  }
  if ([404, 405].includes(status) && /\/sse\b/.test(known.server?.url)) {
    return 'The address looks like one of HTTP+SSE, and `type` says otherwise: write `type: sse`.';
  }
  return OF_STATUS[status] ?? ofClass(status);
}

const OF_STATUS = {
  400: 'The server found the request wrong: its words say what it misses, often a header or a part of `url`.',
  404: `There is nothing at this path: ${CORRECT_PATH}.`,
  405: `The address takes no POST: if it is an HTTP+SSE server, write \`type: sse\`; else ${CORRECT_PATH}.`,
  406: `The address answers with nothing that MCP knows: ${CORRECT_PATH}.`,
  410: `The address was given up: ${CORRECT_PATH}.`,
  429: 'The server has had enough of requests: wait as long as it says, or ask who runs it for more.',
  500: 'The server failed inside: look at its log, or tell who runs it.',
  502: 'A gateway answered in place of the server, which it does not reach: see that the server behind it runs.',
  503: 'The server is down or busy, by the word of what stands before it: see that it runs, or try again later.',
  504: 'A gateway answered in place of the server, which did not answer it in time: see that the server behind it runs.',
};

const ofClass = (status) =>
  status >= 500
    ? OF_STATUS[500]
    : 'The server refused the request: its words say why; see `url`, `headers` and `type`.';

const LOGIN = /\b(?:log-?in|sign-?in|sso|saml|oauth2?|authorize)\b/i;

/** A page to log in is no new address of the server. */
function movedHint({ message }) {
  return LOGIN.test(/ (?:moved|redirects) to (\S+)/.exec(message)?.[1])
    ? 'A login for browsers stands before the server: ask who runs it for an address for programs, or for credentials for `headers`.'
    : 'Write the address that it names into `url`, if it is to be trusted: no redirect is followed, since it would take the credentials along.';
}

const websocketHint = () =>
  'The address has no WebSocket: write `type: streamable-http` (or sse) and http:// or https://, or correct the path of `url`.';

/** By what came in place of a message. */
function invalidResponseHint({ message, transport }) {
  if (/protocol version/.test(message))
    return 'The server and this client have no version of MCP in common: update the server.';
  if (transport === 'websocket') return websocketHint();
  if (/with content type text\/html/.test(message)) {
    return `That is a page for people: ${CORRECT_PATH}, or look what stands before the server: a login, a gateway.`;
  }
  if (transport === 'sse') return `The address has no event stream of HTTP+SSE: ${STREAMABLE}.`;
  if (/with content type text\/event-stream/.test(message)) return 'The address is one of HTTP+SSE: write `type: sse`.';
  return `What answers is no MCP endpoint: ${CORRECT_PATH}, or look what stands before the server.`;
}

const TLS = [
  [
    /the port does not speak TLS/,
    () => 'The port does not speak TLS: if it is plain HTTP, write http:// in `url` (ws:// in place of wss://).',
  ],
  [
    /the port speaks TLS, write https/,
    () => 'If the port speaks TLS, write https:// in `url` (wss:// in place of ws://).',
  ],
  [
    /certificate is self-signed/,
    ({ address }) =>
      `Its certificate is self-signed, and nothing here says to trust it. If it is yours, name it: \`tls: { ca: "/path/to/certificate.pem" }\`. What is sent shows: openssl s_client -showcerts -connect ${address}`,
  ],
  [
    /no authority that is trusted here/,
    ({ address }) =>
      'Name the certificate of the authority that signed it: `tls: { ca: "/path/to/authority.pem" }`. ' +
      `What is sent shows: openssl s_client -showcerts -connect ${address}`,
  ],
  [
    /certificate (?:has )?expired/,
    () => 'Who runs the server renews its certificate; see that the clock here is right.',
  ],
  [
    /certificate is not (?:yet )?valid/,
    () => 'See that the clock here is right; else who runs the server renews its certificate.',
  ],
  [
    /certificate is for /,
    () => 'Write a name of the certificate into `url`, or set `tls: { serverName: … }` if the server is that one.',
  ],
  [
    /: (?:the server's certificate|the server .*client certificate)/,
    ({ address }) =>
      `Correct \`tls\` of the server, or the certificate: openssl s_client -showcerts -connect ${address}`,
  ],
];

/** `undefined` where it is not about TLS. */
function tlsHint(known) {
  const [, hint] = TLS.find(([pattern]) => pattern.test(known.message)) ?? [];
  return hint?.(known);
}

/** Nothing was answered. */
function unreachableHint({ address, message, transport }) {
  if (transport === 'stdio') return 'Run the command by itself and look at what it prints.';
  if (/\bproxy\b.* cannot be reached/.test(message))
    return 'Correct PROXY or `proxy` of the server, or name the host in no_proxy.';
  if (/could not be resolved/.test(message)) {
    return 'Correct the host name in `url`; in a container it is the name of a service, or host.docker.internal.';
  }
  if (/refused/.test(message)) {
    return `Start the server, or correct the port in \`url\`: nothing listens at ${address}. In a container, localhost is the container.`;
  }
  return `See that ${address ?? 'the server'} can be reached from here (DNS, firewall, PROXY).`;
}

module.exports = { httpHint, invalidResponseHint, tlsHint, unreachableHint };
