/** Opens an address in the user's browser, where there is one. */

const { spawn } = require('node:child_process');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const OPENERS = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** `BROWSER` names another program. What goes wrong is of no concern: the address is printed too. */
function openBrowser(url) {
  const [program, ...args] = process.env.BROWSER ? [process.env.BROWSER] : (OPENERS[process.platform] ?? ['xdg-open']);
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

/**
 * Opens an address that has a secret in it. Other users of the machine see what programs are started with, so the browser
 * gets the address from a file that only this user can read.
 *
 * @returns a function that deletes the file
 */
function openPrivately(url) {
  const folder = mkdtempSync(join(tmpdir(), 'librechat-mcp-native-'));
  const file = join(folder, 'open.html');
  const page = `<!doctype html><title>Opening…</title><meta http-equiv="refresh" content="0;url=${url}">`;
  writeFileSync(file, page, { mode: 0o600 });
  openBrowser(pathToFileURL(file).href);
  return () => rmSync(folder, { recursive: true, force: true });
}

module.exports = { openBrowser, openPrivately };
