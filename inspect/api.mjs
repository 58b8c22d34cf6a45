/** What the page asks of its server, and hears from it. */

const KEY = 'key';
const RETRY_MS = 1000;
const ENDED = 'The program has ended, or cannot be reached. Start inspect again, and open the address that it shows.';

/** Takes the token out of the address, and the key for it. The tab keeps the key, also when it is loaded again. */
export async function openSession() {
  const [, token] = /^#token=(.+)$/.exec(location.hash) ?? [];
  if (!token) return;
  history.replaceState(null, '', '#/');
  const { key } = await post('session', { token });
  sessionStorage.setItem(KEY, key);
}

/**
 * @param action      a name that the server knows
 * @param parameters  an object
 * @param signal      ends what was asked for, at the MCP server as well
 */
export async function post(action, parameters, signal) {
  const headers = { ...authorized(), 'content-type': 'application/json' };
  const response = await fetch(`/api/${action}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(parameters),
    signal,
  }).catch((error) => {
    throw signal?.aborted ? error : new Error(ENDED);
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

const authorized = () => ({ authorization: `Bearer ${sessionStorage.getItem(KEY)}` });

/**
 * Hears the server for as long as the page is open.
 *
 * @param hear   is called with each event
 * @param onEnd  is called with why nothing is heard any more; it is tried again, unless the key is refused
 */
export async function listen(hear, onEnd) {
  for (;;) {
    try {
      const response = await fetch('/api/events', { headers: authorized() });
      if (!response.ok) return onEnd((await response.json()).message);
      for await (const event of events(response.body)) hear(event);
    } catch {
      // Told below, as an end is.
    }
    onEnd(ENDED);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** The JSON objects of a stream, one a line. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}
