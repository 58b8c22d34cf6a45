/** Rules of operators, as `validateServerConfig` and `validate` of the command line judge them. */

const addon = require('./support/addon');
const { useCli } = require('./support/cli');

const { cli } = useCli();

describe('validate', () => {
  const issuesOf = (members, source = 'yaml') =>
    addon.validateServerConfig({ type: 'sse', url: 'https://a.example', ...members }, { source });

  test('takes what is right, and says where something is wrong', () => {
    const right = {
      tools: { allow: ['issue_*'], deny: null },
      pinTools: false,
      limits: { perUser: '60/m', queue: 0 },
      maxResultBytes: 1024,
      overflow: 'cut',
    };
    expect(issuesOf(right)).toEqual([]);
    const wrong = {
      tools: { deny: ['a', ''] },
      pinTools: 'on',
      limits: {},
      maxResultBytes: 10,
      overflow: 'drop',
    };
    expect(issuesOf(wrong).map(({ path, message }) => [path.join('.'), message])).toEqual([
      ['tools.deny.1', expect.stringContaining('1 to 256 characters')],
      ['pinTools', expect.stringContaining('off, warn or block')],
      ['limits', expect.stringContaining('60/m')],
      ['maxResultBytes', expect.stringContaining('from 1024 on')],
      ['overflow', expect.stringContaining('error, cut or resource')],
    ]);
    expect(issuesOf({ tools: { deny: [] } }, 'user')).not.toEqual([]);
  });

  test('the command line names the lines', async () => {
    const { run } = cli({
      'librechat.yaml': `mcpSettings:
  limits:
    perUser: 60
  pinTools: off
mcpServers:
  first:
    type: streamable-http
    url: https://example.com/mcp
    tools:
      deny:
        - delete_*
        - ''
    pinTools: maybe
`,
    });
    const { code, json } = await run(['validate', '--json']);
    expect(code).toBe(2);
    expect(json().issues.map(({ line, severity, path }) => [line, severity, path])).toEqual([
      [3, 'error', 'mcpSettings.limits.perUser'],
      [12, 'error', 'mcpServers.first.tools.deny.1'],
      [13, 'error', 'mcpServers.first.pinTools'],
    ]);
  });
});
