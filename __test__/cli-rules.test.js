/** What `validate` says of rules for tools that nobody reads: misspelt ones, and ones without effect. */

const { useCli } = require('./support/cli');

const { cli } = useCli();

/** The findings on a configuration with these `mcpSettings` and members of a server, as `[line, severity, path, message]`. */
async function found(text) {
  const { code, json } = await cli({ 'librechat.yaml': text }).run(['validate', '--json']);
  return { code, issues: json().issues.map(({ line, severity, path, message }) => [line, severity, path, message]) };
}

const server = (...members) =>
  [
    '  one:',
    '    type: streamable-http',
    '    url: https://example.com/mcp',
    ...members.map((it) => `    ${it}`),
    '',
  ].join('\n');
const meant = (name) => `is not known, and has no effect: did you mean ${name}?`;

test('a misspelt rule is a warning that names the one that was meant', async () => {
  const { code, issues } = await found(
    `mcpSettings:
  allowedDomains: [example.com]
  limit: { perUser: 1/m }
  toolPins: block
  TOOLS: { deny: ['*'] }
mcpServers:
${server('title: Tools', 'tls: { ca: /ca.pem }', 'pin_tools: block', 'maxResultsBytes: 5000', 'overflows: cut')}`,
  );
  expect(code).toBe(0);
  expect(issues).toEqual([
    [3, 'warning', 'mcpSettings.limit', meant('limits')],
    [4, 'warning', 'mcpSettings.toolPins', meant('pinTools')],
    [5, 'warning', 'mcpSettings.TOOLS', meant('tools')],
    [12, 'warning', 'mcpServers.one.pin_tools', meant('pinTools')],
    [13, 'warning', 'mcpServers.one.maxResultsBytes', meant('maxResultBytes')],
    [14, 'warning', 'mcpServers.one.overflows', meant('overflow')],
  ]);
});

test('a rule that does nothing alone is a warning, unless what it needs stands elsewhere', async () => {
  const alone = await found(
    `mcpSettings: { overflow: cut, allowedDomains: [example.com] }\nmcpServers:\n${server('overflow: cut', 'limits: { queue: 5 }')}`,
  );
  expect(alone.code).toBe(0);
  expect(alone.issues).toEqual([
    [1, 'warning', 'mcpSettings.overflow', 'has no effect without maxResultBytes'],
    [6, 'warning', 'mcpServers.one.overflow', 'has no effect without maxResultBytes'],
    [7, 'warning', 'mcpServers.one.limits.queue', 'has no effect without a limit that calls wait for'],
  ]);
  const together = await found(
    `mcpSettings: { overflow: cut, allowedDomains: [example.com] }\nmcpServers:\n${server('maxResultBytes: 5000', 'limits: { queue: 5, concurrency: 1 }')}`,
  );
  expect(together).toEqual({ code: 0, issues: [] });
});

test.each(['*', '*_delete'])('a glob without quotes, %s, is told of as what it is', async (glob) => {
  const text = `mcpServers:\n${server(`tools: { deny: [${glob}] }`)}`;
  const { code, stderr } = await cli({ 'librechat.yaml': text }).run(['validate']);
  expect(code).toBe(2);
  expect(stderr).toContain('needs quotes');
});
