/** The error classes of the module, and that all it declares is there. */

const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { types } = require('node:util');
const { testAddonPath } = require('../scripts/addon-path');
const addon = require('./support/addon');
const { createHost } = require('./support/host');

describe('error classes', () => {
  const made = {
    MCPDomainNotAllowedError: [
      new addon.MCPDomainNotAllowedError('a.example'),
      {
        message: 'Domain "a.example" is not allowed',
        code: 'MCP_DOMAIN_NOT_ALLOWED',
        statusCode: 403,
        domain: 'a.example',
      },
    ],
    MCPInspectionFailedError: [
      new addon.MCPInspectionFailedError('srv', new Error('x')),
      {
        message: 'Failed to connect to MCP server "srv"',
        code: 'MCP_INSPECTION_FAILED',
        statusCode: 400,
        serverName: 'srv',
      },
    ],
    MCPTokenRefreshUnavailableError: [
      new addon.MCPTokenRefreshUnavailableError('srv', new Error('x')),
      {
        message: 'OAuth token refresh is temporarily unavailable for "srv"',
        code: 'MCP_TOKEN_REFRESH_UNAVAILABLE',
        retryable: true,
      },
    ],
    MCPTokenStorageUnavailableError: [
      new addon.MCPTokenStorageUnavailableError('srv', new Error('x')),
      {
        message: 'OAuth token storage is unavailable for "srv"',
        code: 'MCP_TOKEN_STORAGE_UNAVAILABLE',
        retryable: true,
      },
    ],
    OboTokenResolutionError: [
      new addon.OboTokenResolutionError('exchange_failed', 'No.', true),
      { message: 'No.', reason: 'exchange_failed', retryable: true, userMessage: 'No.', code: 'OBO_EXCHANGE_FAILED' },
    ],
    ReauthenticationRequiredError: [
      new addon.ReauthenticationRequiredError('srv', 'expired'),
      {
        message: 'Re-authentication required for "srv": access token expired and no refresh token available',
        code: 'MCP_REAUTHENTICATION_REQUIRED',
      },
    ],
  };

  test.each(Object.entries(made))('%s', (name, [error, members]) => {
    expect({ ...members, name }).toEqual(
      Object.fromEntries(Object.keys({ ...members, name }).map((key) => [key, error[key]])),
    );
    expect(types.isNativeError(error)).toBe(true);
    expect(error).toBeInstanceOf(addon[name]);
    expect(String(error)).toBe(`${name}: ${error.message}`);
    expect(error.stack).toContain('error-classes.test.js');
    for (const other of Object.keys(made)) {
      const [otherError] = made[other];
      expect(addon[`is${name}`](otherError)).toBe(other === name);
    }
    for (const value of [undefined, null, 'x', {}, new Error('x'), { name }])
      expect(addon[`is${name}`](value)).toBe(false);
    expect(() => addon[name]('x', 'y')).toThrow(/cannot be invoked without 'new'/);
  });

  test('an argument of another type is no reason to throw', () => {
    const { OboTokenResolutionError, ReauthenticationRequiredError } = addon;
    expect(String(new addon.MCPDomainNotAllowedError(7))).toBe('MCPDomainNotAllowedError: Domain "7" is not allowed');
    for (const reason of ['__proto__', 'constructor', undefined, {}])
      expect(new OboTokenResolutionError(reason, 'No.', null)).toMatchObject({
        code: 'OBO_EXCHANGE_FAILED',
        retryable: false,
      });
    expect(new ReauthenticationRequiredError('srv', 'constructor').message).toContain('access token constructor and');
    expect(new addon.MCPInspectionFailedError('srv', null)).not.toHaveProperty('cause');
  });

  test('every name of the declarations is exported, to `import` as well', async () => {
    const declared = readFileSync(join(__dirname, '..', 'index.d.ts'), 'utf8');
    const names = [...declared.matchAll(/^export declare (?:function|class) (\w+)/gm)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(30);
    expect(names.filter((name) => typeof addon[name] !== 'function')).toEqual([]);
    const script = `import * as addon from ${JSON.stringify(pathToFileURL(join(__dirname, '..', 'index.js')))};
      console.log(JSON.stringify(Object.keys(addon)));`;
    const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, encoding: 'utf8' });
    const imported = JSON.parse(stdout);
    expect(names.filter((name) => !imported.includes(name))).toEqual([]);
  });

  test('errors of a runtime are instances', async () => {
    const runtime = addon.createMCPRuntime({ ...createHost().services, credentialsKey: '0'.repeat(64) });
    const [user, server] = ['u', 's'];
    const missing = runtime.tokens.getTokens({ userId: user, serverName: server, findToken: async () => null });
    await expect(missing).rejects.toBeInstanceOf(addon.ReauthenticationRequiredError);
    await runtime.close();
  });

  test('are the same for whoever loads the package again', () => {
    const script = `
      const first = require(${JSON.stringify(join(__dirname, '..'))});
      for (const file of Object.keys(require.cache)) if (file.endsWith('.js')) delete require.cache[file];
      const again = require(${JSON.stringify(join(__dirname, '..'))});
      console.log(first.MCPDomainNotAllowedError === again.MCPDomainNotAllowedError);`;
    const env = { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: process.env.MCP_TEST_ADDON ?? testAddonPath() };
    const { stdout } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
    expect(stdout).toBe('true\n');
  });

  test('can be extended', () => {
    class Mine extends addon.MCPDomainNotAllowedError {
      mine = true;
    }
    const error = new Mine('x');
    expect([error instanceof Mine, error instanceof addon.MCPDomainNotAllowedError, error.mine]).toEqual([
      true,
      true,
      true,
    ]);
  });
});
