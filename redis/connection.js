const { setTimeout: delay } = require('node:timers/promises');
const { scriptClient } = require('./clients');
const { reason, scriptRunner } = require('./scripts');

/** Shorter than a command may take, so that who waits is told why there is no connection. */
const CONNECT_LIMIT_MS = 3000;
const RETRY_MS = 200;

/** A client connects once: when the connection is lost the next command makes another client. */
function openIoredis({ Redis }, url) {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: null, connectTimeout: CONNECT_LIMIT_MS });
  return {
    client,
    connect: () => client.connect(),
    isReady: () => client.status === 'ready',
    unref: () => client.stream.unref(),
    end: () => {
      client.disconnect();
      // It would wait for the other end.
      client.stream?.destroy();
    },
  };
}

function openNodeRedis({ createClient }, url) {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: CONNECT_LIMIT_MS } });
  return {
    client,
    connect: () => client.connect(),
    isReady: () => client.isReady,
    unref: () => client.unref(),
    end: () => client.isOpen && client.destroy(),
  };
}

function rethrowOthers(error) {
  if (error.code !== 'MODULE_NOT_FOUND') throw error;
}

/** What opens a client of the package that is installed; `undefined` where none is. Bundlers look for a `require` in a `try`. */
function installedOpener() {
  try {
    return openIoredis.bind(null, require('ioredis'));
  } catch (error) {
    rethrowOthers(error);
  }
  try {
    return openNodeRedis.bind(null, require('redis'));
  } catch (error) {
    rethrowOthers(error);
  }
  return undefined;
}

/**
 * A connection to a Redis, made when the first command needs it and again when it was lost. Nothing of it keeps the process
 * alive but commands that are waited for.
 *
 * @param {string} url
 * @param {(url: string) => any} open
 * @param {{ onAway: (why: string) => void, onBack: () => void }} listeners  told once for each time that it is away
 * @returns `{ run, close }`: `run` is a `scriptRunner`, `close()` waits for the commands that it runs
 */
function connectionTo(url, open, { onAway, onBack }) {
  let link;
  let connecting;
  let isAway = false;
  let isClosed = false;
  const running = new Set();

  /** A client's `error` events say more than why its `connect` fails, and some that it does not fail for. */
  async function connectOnce() {
    const next = open(url);
    let problem;
    next.client.on('error', (error) => {
      problem ??= error;
    });
    const timer = setTimeout(() => {
      problem ??= Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
      next.end();
    }, CONNECT_LIMIT_MS);
    try {
      await next.connect();
      if (problem) throw problem;
      next.unref();
      return next;
    } catch (error) {
      next.end();
      throw problem ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Tries again for a while, as when another node takes over; once where it is known to be away. */
  async function connect() {
    const until = isAway ? 0 : performance.now() + CONNECT_LIMIT_MS;
    for (;;) {
      if (isClosed) throw new Error('Connection is closed.');
      try {
        link = await connectOnce();
        break;
      } catch (error) {
        if (!isAway) onAway(reason(error));
        isAway = true;
        if (performance.now() > until) throw error;
      }
      await delay(RETRY_MS);
    }
    if (isAway) onBack();
    isAway = false;
  }

  async function scripts() {
    if (!link?.isReady()) {
      connecting ??= connect().finally(() => {
        connecting = undefined;
      });
      await connecting;
    }
    return scriptClient(link.client);
  }

  function leave() {
    link?.end();
    link = undefined;
  }

  const runScript = scriptRunner({
    bySha: async (...args) => (await scripts()).bySha(...args),
    byText: async (...args) => (await scripts()).byText(...args),
  });

  return {
    run(command) {
      const answer = runScript(command).catch((error) => {
        // Who answers nothing for so long may be gone for good.
        if (error.code === 'TIMEOUT') leave();
        throw error;
      });
      running.add(answer);
      const forget = () => running.delete(answer);
      answer.then(forget, forget);
      return answer;
    },
    async close() {
      isClosed = true;
      await Promise.allSettled([...running, connecting]);
      leave();
    },
  };
}

module.exports = { connectionTo, installedOpener };
