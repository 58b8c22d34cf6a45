/** Addresses as `mcpSettings.allowedAddresses` has them. */

const DEFAULT_PORTS = { 'http:': 80, 'ws:': 80, 'https:': 443, 'wss:': 443 };

/** `host:port` of a URL; `undefined` for what is none. */
function addressOf(text) {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port } = new URL(text);
  return `${hostname}:${port || DEFAULT_PORTS[protocol]}`;
}

module.exports = { addressOf };
