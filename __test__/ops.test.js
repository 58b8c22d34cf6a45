/** `ops/`: the dashboard, the rules and the container, held against what a runtime tells and what the pages say. */

const { spawn, spawnSync } = require('node:child_process');
const { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { basename, join } = require('node:path');
const YAML = require('yaml');
const { processMetrics } = require('../examples/fleet/process-metrics');
const { validateServerConfig } = require('./support/addon');
const { ADDON } = require('./support/example');
const { useFixtures } = require('./support/fixtures');
const { openIdUser } = require('./support/host');
const { startIdentityProvider } = require('./support/identity-provider');
const { closedAddress } = require('./support/mcp-server');
const { ROOT, anchorsOf, read } = require('./support/pages');
const { freePort } = require('./support/ports');
const { familyOf, parseMetrics, selectorsOf } = require('./support/prometheus');
const { startRedis } = require('./support/redis');
const { needPackage } = require('./support/requirements');
const { until } = require('./support/wait');

const fixtures = useFixtures();
const PAGE = 'docs/operations.md';
const dashboard = JSON.parse(read('ops/grafana-dashboard.json'));
const { rules } = YAML.parse(read('ops/prometheus-alerts.yml')).groups[0];
const compose = YAML.parse(read('ops/compose.yaml'));

/** The metrics of the page: type and labels by name. */
const documented = new Map(
  [...read(PAGE).matchAll(/^\| `(\w+)` \| (gauge|counter|histogram) \|([^|]*)\|/gm)].map(([, name, type, labels]) => [
    name,
    { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label) },
  ]),
);

/** All that the dashboard and the rules ask for, as the dashboard's variables would have it. */
const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list
    .flatMap(({ definition }) => definition?.match(/^label_values\((.*), (\w+)\)$/) ?? [])
    .slice(1, 2),
  ...rules.map(({ expr }) => expr),
].map((text) => text.replaceAll('$__rate_interval', '1m').replaceAll('$server', '.*'));

/** What a runtime tells that has had calls, failures and exchanges. */
async function metricsOfRun() {
  let answer;
  const answered = new Promise((resolve) => {
    answer = () => resolve({ content: [] });
  });
  const server = await fixtures.server({ callTool: () => answered });
  const [gone, idp] = [await closedAddress(), await startIdentityProvider()];
  fixtures.keep(idp);
  const { runtime } = fixtures.runtime({
    servers: {
      srv: server.config({ startup: false, limits: { concurrency: 1 }, obo: { scopes: 'api://server/.default' } }),
      gone: gone.config({ startup: false, initTimeout: 300 }),
    },
    allow: [server, gone],
    services: {
      openIdConfig: () => idp.config,
      onSpans() {
        throw new Error('no spans today');
      },
    },
  });
  const user = openIdUser('one');
  const call = (serverName) => runtime.manager.callTool({ user, serverName, toolName: 'echo', provider: 'openai' });
  await runtime.reinitMCPServer({ user, serverName: 'srv' });
  const calls = [call('srv'), call('srv')];
  await until('a call that waits', () => runtime.stats().queues.srv?.waiting === 1);
  const { samples: meanwhile } = parseMetrics(runtime.metrics());
  answer();
  await Promise.all(calls);
  await until('the breaker', async () => {
    await expect(call('gone')).rejects.toThrow();
    return runtime.stats().breakers.open === 1;
  });
  await until('the failure of onSpans', () => runtime.stats().callbackFailures.onSpans > 0);
  const { samples } = parseMetrics(runtime.metrics());
  expect(samples.some(([name]) => name === 'librechat_mcp_connections')).toBe(true);
  await runtime.manager.disconnectUserConnections(user.id);
  const { samples: later, types } = parseMetrics(runtime.metrics());
  return { samples: [...meanwhile, ...samples, ...later], types };
}

test('the page has each metric with its type and its labels', async () => {
  const { samples, types } = await metricsOfRun();
  expect(new Map([...documented].map(([name, { type }]) => [name, type]))).toEqual(types);
  const seen = new Set();
  for (const [name, labels] of samples) {
    const family = familyOf(name, types);
    const expected = documented.get(family).labels;
    expect([name, Object.keys(labels).filter((label) => label !== 'le')]).toEqual([name, expected]);
    seen.add(family);
  }
  // At the labels of changed tools `tool-pins.test.js` looks, at those of results that were cut `result-size.test.js`, at those of
  // refreshes `oauth.test.js`.
  expect([...documented.keys()].filter((name) => !seen.has(name))).toEqual([
    'librechat_mcp_tool_changes_total',
    'librechat_mcp_results_cut_total',
    'librechat_mcp_oauth_refreshes_total',
  ]);
});

test('no panel or rule asks for a metric or a label that is not there', () => {
  const ofProcess = parseMetrics(processMetrics()).types;
  const known = new Map([...documented, ...[...ofProcess.keys(), 'up'].map((name) => [name, { labels: [] }])]);
  expect(expressions.length).toBeGreaterThanOrEqual(40);
  for (const expression of expressions) {
    const selectors = selectorsOf(expression);
    expect([expression, selectors.length]).not.toEqual([expression, 0]);
    for (const { name, labels } of selectors) {
      const family = familyOf(name, known);
      const { type, labels: has } = known.get(family) ?? {};
      const all = [...(has ?? []), 'job', 'instance', ...(type === 'histogram' ? ['le'] : [])];
      const wrong = labels.filter((label) => !all.includes(label));
      expect({ expression, name, isKnown: known.has(family), wrong }).toEqual({
        expression,
        name,
        isKnown: true,
        wrong: [],
      });
    }
  }
});

test('selectors are found', () => {
  const text =
    'sum by (server, le) (rate(a_total{x="y{z}",v!~"w"}[5m])) / b > 0.5 and on (server) c{} unless d offset 5m';
  expect(selectorsOf(text.replace('on (server) ', ''))).toEqual([
    { name: 'a_total', labels: ['x', 'v', 'server', 'le'] },
    { name: 'b', labels: ['server', 'le'] },
    { name: 'c', labels: ['server', 'le'] },
    { name: 'd', labels: ['server', 'le'] },
  ]);
});

test('each alert leads to a part of the page, stands in its table, and has a case', () => {
  const anchors = anchorsOf(PAGE);
  const cases = YAML.parse(read('ops/prometheus-alerts.test.yml')).tests.flatMap((it) => it.alert_rule_test);
  for (const { alert, annotations } of rules) {
    const [page, anchor] = annotations.runbook.split('#');
    expect([alert, page, anchors.has(anchor)]).toEqual([alert, PAGE, true]);
    expect(read(PAGE)).toContain(`\`${alert}\``);
    expect([alert, cases.some(({ alertname, exp_alerts }) => alertname === alert && exp_alerts)]).toEqual([
      alert,
      true,
    ]);
  }
});

test('promtool takes the configuration, and the rules fire when they should', () => {
  needPackage('prometheus');
  for (const [what, file] of [
    ['check config', 'prometheus.yml'],
    ['test rules', 'prometheus-alerts.test.yml'],
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', [...what.split(' '), join(ROOT, 'ops', file)]);
    expect({ status, output: `${stdout}${stderr}` }).toEqual({ status: 0, output: expect.stringContaining('SUCCESS') });
  }
});

test('panels have places of their own', () => {
  const taken = new Set();
  for (const { title, gridPos, id } of dashboard.panels) {
    expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
    for (let row = 0; row < gridPos.h * gridPos.w; row += 1) {
      const cell = `${gridPos.x + (row % gridPos.w)},${gridPos.y + Math.floor(row / gridPos.w)}`;
      expect([title, taken.has(cell)]).toEqual([title, false]);
      taken.add(cell);
    }
    expect(id).toBeGreaterThan(0);
  }
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
});

test('compose: files are there, versions are named, nothing listens to other machines', () => {
  const { pod, ...others } = compose.services;
  expect(Object.keys(others).sort()).toEqual(['everything', 'grafana', 'prometheus', 'redis']);
  for (const { image, ports = [], volumes = [] } of Object.values(compose.services)) {
    if (image) expect(image).toMatch(/:v?\d[\w.-]*$/);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
    for (const [file] of volumes.map((volume) => volume.split(':'))) {
      expect([file, existsSync(join(ROOT, 'ops', file))]).toEqual([file, true]);
    }
  }
  const { mcpServers, mcpSettings } = JSON.parse(pod.environment.MCP_CONFIG);
  expect(Object.values(mcpServers).flatMap((config) => validateServerConfig(config, { source: 'yaml' }))).toEqual([]);
  expect(mcpSettings.allowedAddresses).toEqual([new URL(mcpServers.everything.url).host]);
  const { targets } = YAML.parse(read('ops/prometheus.yml')).scrape_configs[0].static_configs[0];
  expect(pod.ports).toEqual([`127.0.0.1:3000:${targets[0].split(':')[1]}`]);
});

test('what the image is given is enough for the pod', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'image-'));
  fixtures.keep({ close: async () => rmSync(folder, { recursive: true }) });
  const [, image] = read('ops/Dockerfile').split(/^FROM node:.*$/m);
  expect(image).toMatch(/^USER node$/m);
  for (const [, paths] of image.matchAll(/^COPY --from=build (.+)$/gm)) {
    const [target, ...sources] = paths.split(' ').toReversed();
    for (const source of sources.map((path) => join(ROOT, path.replace('/src/', '')))) {
      // The addon is the one of the tests.
      if (source.endsWith('.node')) continue;
      const isFolderToFill = target.endsWith('/');
      mkdirSync(join(folder, target), { recursive: true });
      cpSync(source, isFolderToFill ? join(folder, target, basename(source)) : join(folder, target), {
        recursive: true,
      });
    }
  }
  const [redis, port, server] = [fixtures.keep(await startRedis()), await freePort(), await fixtures.server()];
  const config = {
    mcpServers: { srv: server.config({ startup: false }) },
    mcpSettings: { allowedAddresses: [server.address] },
  };
  const child = spawn(process.execPath, [/^CMD \["node", "(.+)"\]$/m.exec(image)[1]], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      ...ADDON,
      PORT: String(port),
      REDIS_URL: redis.url,
      MCP_CONFIG: JSON.stringify(config),
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaints = '';
  child.stderr.on('data', (text) => (complaints += text));
  const ended = new Promise((resolve) => child.on('close', resolve));
  fixtures.keep({
    close: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  });
  const probe = JSON.parse(/HEALTHCHECK[^[]*(\[.*\])$/m.exec(image.replaceAll('\\\n', ''))[1]);
  const isHealthy = () => spawnSync(probe[0], probe.slice(1), { env: { PORT: String(port) } }).status === 0;
  await until('the pod', () => isHealthy() || child.exitCode !== null);
  expect([child.exitCode, complaints]).toEqual([null, '']);

  const { body } = await pod(port, '/call', { user: 'alice', server: 'srv', tool: 'echo', arguments: { text: 'hi' } });
  expect(JSON.parse(body)).toEqual({ content: expect.stringContaining('hi') });
  const { type, body: metrics } = await pod(port, '/metrics');
  expect(type).toBe('text/plain; version=0.0.4');
  const { samples, types } = parseMetrics(metrics);
  expect([...types.keys()]).toEqual(expect.arrayContaining(['nodejs_eventloop_lag_p99_seconds', ...documented.keys()]));
  expect(samples).toContainEqual(['librechat_mcp_tool_calls_total', { server: 'srv', outcome: 'ok' }, 1]);
});

async function pod(port, path, json) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, json && { method: 'POST', body: JSON.stringify(json) });
  return { type: answer.headers.get('content-type'), body: await answer.text() };
}
