/** Opens an address in the user's browser, where there is one. */

const { spawn } = require('node:child_process');

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

module.exports = { openBrowser };
