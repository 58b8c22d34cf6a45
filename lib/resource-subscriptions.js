/**
 * Which clients are subscribed to a resource over one `MCPConnection`. About one resource the server is asked one thing
 * after the other, and told that nobody is subscribed any more when the last client is gone.
 */

/** By `MCPConnection` and URI: the clients, how many requests have yet to end, and when the last of these has. */
const known = new WeakMap();

/** What follows a scheme, an authority or a path in another part of it. */
const DELIMITERS = ['/', '?', '#'];

/** The server may have subscribed before these came. */
const UNANSWERED = ['MCP_ABORTED', 'MCP_TIMEOUT', 'MCP_CONNECTION_LOST'];

/** Whether an update of `uri` is one of `subscribed`: of it, or of a part of it. All of a scheme is no resource. */
function covers(subscribed, uri) {
  if (uri === subscribed) return true;
  if (!uri.startsWith(subscribed) || !/^[^:]+:\/*[^/]/.test(subscribed)) return false;
  return subscribed.endsWith('/') || DELIMITERS.includes(uri[subscribed.length]);
}

/** Makes a request about a resource when those before it have ended. */
async function inTurn(resources, uri, ask) {
  const resource = resources.get(uri);
  resource.requests += 1;
  const turn = resource.last.then(() => ask(resource));
  resource.last = turn.catch(() => {});
  try {
    await turn;
  } finally {
    resource.requests -= 1;
    if (resource.requests === 0 && resource.clients.size === 0) resources.delete(uri);
  }
}

/** Rejects as `MCPConnection.subscribeResource`. */
async function subscribe(connection, uri, client, signal) {
  if (!known.has(connection)) known.set(connection, new Map());
  const resources = known.get(connection);
  if (!resources.has(uri)) resources.set(uri, { clients: new Set(), requests: 0, last: Promise.resolve() });
  const { clients } = resources.get(uri);
  const isNew = !clients.has(client);
  clients.add(client);
  try {
    await inTurn(resources, uri, async () => {
      await connection.subscribeResource(uri, signal);
      // Another request of the client may have failed, or the connection been another one.
      if (!signal.aborted) clients.add(client);
    });
  } catch (error) {
    if (!isNew) throw error;
    if (UNANSWERED.includes(error.mcpCode ?? error.code)) unsubscribe(connection, uri, client).catch(() => {});
    else forget(connection, uri, client);
    throw error;
  }
}

/** Rejects as `MCPConnection.unsubscribeResource`; the subscription of the client is over all the same. */
async function unsubscribe(connection, uri, client, signal) {
  const resources = known.get(connection);
  if (!resources?.get(uri)?.clients.delete(client)) return;
  await inTurn(resources, uri, async ({ clients }) => {
    if (clients.size === 0) await connection.unsubscribeResource(uri, signal);
  });
}

/** The subscription has ended by itself. */
function forget(connection, uri, client) {
  const resources = known.get(connection);
  const resource = resources?.get(uri);
  resource?.clients.delete(client);
  if (resource?.requests === 0 && resource.clients.size === 0) resources.delete(uri);
}

/** Whether some client is subscribed to something. */
function isSubscribed(connection) {
  return [...(known.get(connection)?.values() ?? [])].some(({ clients }) => clients.size > 0);
}

module.exports = { covers, forget, isSubscribed, subscribe, unsubscribe };
