/**
 * A balancer that loses no call and repeats none: round-robin over the pods that are ready. In production this is an
 * ingress; what it has to know is in docs/fleet.md.
 *
 * A call may go to another pod as long as it has not begun: the pod refused the connection, said 503, or has not asked
 * for the body yet (`Expect: 100-continue`). From then on it may have run, and whatever comes is the caller's answer.
 */

const { once } = require('node:events');
const http = require('node:http');
const { setTimeout: delay } = require('node:timers/promises');

const POLL_MS = 100;
const POLL_TIMEOUT_MS = 2_000;
/** A pod that does not ask for the body for so long is left, such as one that was paused. */
const CONTINUE_MS = 5_000;
/** How long a request waits for any pod to be ready. */
const PATIENCE_MS = 60_000;
const WAIT_MS = 20;

/**
 * @typedef {{ url: string, isReady: boolean }} Pod
 * @typedef {{ status: number, body: string }} Answer
 */

/** @param {AsyncIterable<any>} stream */
async function textOf(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

/** @param {string} message @returns {Answer} */
const lost = (message) => ({ status: 502, body: JSON.stringify({ code: 'POD_LOST', message }) });

/**
 * Resolves to the answer, or to `undefined` where the request has not begun.
 *
 * @param {Pod} pod
 * @param {http.Agent} agent
 * @param {{ method?: string, path: string, body: string }} request
 * @returns {Promise<Answer | undefined>}
 */
function attempt(pod, agent, { method, path, body }) {
  return new Promise((resolve) => {
    const headers = body ? { expect: '100-continue', 'content-length': Buffer.byteLength(body) } : {};
    // A connection that was used before may end as it is used again; whether that began something is known with a body only.
    const outgoing = http.request(`${pod.url}${path}`, { method, agent: body ? agent : false, headers });
    let mayHaveBegun = !body;
    const patience = setTimeout(() => body && outgoing.destroy(new Error('the pod is silent')), CONTINUE_MS);
    outgoing.on('continue', () => {
      clearTimeout(patience);
      mayHaveBegun = true;
      outgoing.end(body);
    });
    outgoing.on('response', (response) => {
      clearTimeout(patience);
      const status = /** @type {number} */ (response.statusCode);
      const read = (/** @type {string} */ text) => (status === 503 ? undefined : { status, body: text });
      textOf(response)
        .then(read, (error) => lost(error.message))
        .then(resolve);
    });
    outgoing.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      clearTimeout(patience);
      resolve(mayHaveBegun && error.code !== 'ECONNREFUSED' ? lost(error.message) : undefined);
    });
    if (body) outgoing.flushHeaders();
    else outgoing.end();
  });
}

/**
 * @param {string[]} urls  of the pods
 * @param {number} port
 * @returns `{ url, isReady, elsewhere, close }`: `isReady(url)` says whether a pod gets requests, `elsewhere()` how many
 *   requests went to another pod
 */
async function startBalancer(urls, port) {
  const agent = new http.Agent({ keepAlive: true });
  /** @type {Pod[]} */
  const pods = urls.map((url) => ({ url, isReady: false }));
  const closed = new AbortController();
  let turn = 0;
  let elsewhere = 0;

  /** @param {Pod} pod */
  async function watch(pod) {
    while (!closed.signal.aborted) {
      const answer = await fetch(`${pod.url}/ready`, { signal: AbortSignal.timeout(POLL_TIMEOUT_MS) }).catch(
        () => null,
      );
      pod.isReady = answer?.status === 200;
      await answer?.text().catch(() => '');
      await delay(POLL_MS);
    }
  }

  function nextPod() {
    const ready = pods.filter(({ isReady }) => isReady);
    turn += 1;
    return ready[turn % ready.length];
  }

  /**
   * @param {Parameters<typeof attempt>[2]} request
   * @returns {Promise<Answer>}
   */
  async function forward(request) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const pod = nextPod();
      const answer = pod && (await attempt(pod, agent, request));
      if (answer) return answer;
      if (pod) {
        pod.isReady = false;
        elsewhere += 1;
      } else if (Date.now() > deadline) {
        return { status: 503, body: JSON.stringify({ code: 'NO_POD', message: 'no pod is ready' }) };
      } else {
        await delay(WAIT_MS);
      }
    }
  }

  const server = http.createServer(async (incoming, response) => {
    const { method, url: path = '/' } = incoming;
    const text = await textOf(incoming).catch(() => undefined);
    // Of a caller who is gone there is nothing to be forwarded.
    if (text === undefined) return;
    const { status, body } = await forward({ method, path, body: text });
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  const watching = pods.map(watch);
  return {
    url: `http://127.0.0.1:${port}`,
    isReady: (/** @type {string} */ url) => pods.some((pod) => pod.url === url && pod.isReady),
    elsewhere: () => elsewhere,
    async close() {
      closed.abort();
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await Promise.all(watching);
    },
  };
}

module.exports = { startBalancer };
