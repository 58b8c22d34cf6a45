const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');
const { testAddonPath } = require('../../scripts/addon-path');
const { useFixtures } = require('./fixtures');
const { recordLog } = require('./secrets');

const BINARY = resolve(__dirname, '../../bin/librechat-mcp-native.js');
const { MCP_TEST_ADDON, PATH } = process.env;

/**
 * The command line tool in a folder of its own, with a home of its own: `close()` removes both.
 *
 * @param files  texts by file name; `librechat.yaml` may be an object
 */
function createCli(files) {
  const folder = mkdtempSync(join(tmpdir(), 'mcp-cli-'));
  for (const [name, content] of Object.entries(files)) {
    // JSON is YAML too.
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }

  const ownEnv = {
    PATH,
    HOME: folder,
    NAPI_RS_NATIVE_LIBRARY_PATH: MCP_TEST_ADDON ? resolve(MCP_TEST_ADDON) : testAddonPath(),
  };

  /**
   * Runs a program in the folder to its end: `{ code, stdout, stderr, json() }`.
   *
   * @param options.input     `null` leaves stdin open, for `onStdout` to write to
   * @param options.onStdout  called with all of stdout so far, and with stdin
   */
  function execute(program, args, { env, input = '', onStdout } = {}) {
    return new Promise((fulfil, reject) => {
      const child = spawn(program, args, { cwd: folder, env: { ...ownEnv, ...env }, timeout: 100_000 });
      const output = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr']) {
        child[name].setEncoding('utf8').on('data', (text) => {
          output[name] += text;
          if (name === 'stdout') onStdout?.(output.stdout, child.stdin);
        });
      }
      child.on('error', reject);
      child.on('close', (code) => {
        // The address that a user opens has a state in it, as it must.
        recordLog(
          `cli ${output.stdout} ${output.stderr}`.replaceAll(/https?:\S+state=\S+/g, 'URL').replaceAll('\n', ' '),
        );
        fulfil({ code, ...output, json: () => JSON.parse(output.stdout) });
      });
      if (input !== null) child.stdin.end(input);
    });
  }

  /** Runs a command of the tool. */
  const run = (args, options) => execute(process.execPath, [BINARY, ...args], options);

  return { folder, env: ownEnv, execute, run, close: () => rmSync(folder, { recursive: true, force: true }) };
}

/**
 * The tool for a suite; each test's folders are removed after it. Call once at the top of a suite.
 *
 * @returns `{ fixtures, cli, withServers }`: `cli(files)` as `createCli`, `withServers` with a configuration of these
 */
function useCli() {
  const fixtures = useFixtures();
  const cli = (files) => fixtures.keep(createCli(files));
  const withServers = (mcpServers, mcpSettings) => cli({ 'librechat.yaml': { mcpServers, mcpSettings } });
  return { fixtures, cli, withServers };
}

module.exports = { BINARY, createCli, useCli };
