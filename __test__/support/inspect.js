const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { BINARY, createCli } = require('./cli');
const { recordLog, registerSecrets } = require('./secrets');
const { until } = require('./wait');

/**
 * `inspect` over a configuration of its own, as a process.
 *
 * @param files  as for `createCli`
 * @param env    more of the environment
 * @param args   of the command; no browser is opened unless they are given
 * @returns `{ address, origin, token, pid, ended, open(), close() }`: `open()` takes the key as the page does, and resolves to
 *   `{ key, post(action, parameters), event(isWanted) }`, where `event` resolves to the first event of the feed that is wanted
 */
async function startInspect(files, { env, args = ['--no-browser'] } = {}) {
  const cli = createCli(files);
  const child = spawn(process.execPath, [BINARY, 'inspect', '--json', ...args], {
    cwd: cli.folder,
    env: { ...cli.env, ...env },
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] += text;
    });
  }
  const ended = once(child, 'exit').then(([code]) => code);
  const isEnded = () => child.exitCode !== null || child.signalCode !== null;
  await until('the address of the page', () => output.stdout.includes('}') || isEnded(), 60_000);
  const { address, error } = output.stdout === '' ? {} : JSON.parse(output.stdout);
  if (!address) {
    cli.close();
    throw new Error(`inspect ended: ${error?.message} ${error?.hint} ${output.stderr}`);
  }
  const { origin, hash } = new URL(address);
  const token = hash.slice('#token='.length);
  registerSecrets(token);

  const request = (path, key, init) =>
    fetch(`${origin}${path}`, { ...init, headers: { authorization: `Bearer ${key}`, ...init?.headers } });
  const send = (path, key, body) =>
    request(path, key, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  return {
    address,
    origin,
    token,
    send,
    async open() {
      const { key } = await (await send('/api/session', undefined, { token })).json();
      return {
        key,
        post: async (action, parameters) => (await send(`/api/${action}`, key, parameters)).json(),
        event: async (isWanted) => {
          const response = await request('/api/events', key);
          let rest = '';
          for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
            const lines = (rest + chunk).split('\n');
            rest = lines.pop();
            const found = lines.map((line) => JSON.parse(line)).find(isWanted);
            if (found) return found;
          }
          throw new Error('the feed has ended');
        },
      };
    },
    /** Ctrl+C; resolves to the exit code. */
    stop() {
      child.kill('SIGINT');
      return ended;
    },
    async close() {
      if (!isEnded()) child.kill('SIGKILL');
      await ended;
      recordLog(`inspect ${output.stderr}`.replaceAll('\n', ' '));
      cli.close();
    },
  };
}

module.exports = { startInspect };
