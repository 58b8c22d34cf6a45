const { existsSync } = require('node:fs');
const { chromium } = require('playwright-core');
const { debianPackage } = require('./debian');

const EXECUTABLE = '/usr/bin/chromium';
// In containers there is no sandbox, and nothing but the pages of the test is to be asked of the network.
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's Chromium, without a window. */
async function startBrowser() {
  debianPackage('chromium', () => existsSync(EXECUTABLE));
  return chromium.launch({ executablePath: EXECUTABLE, args: ARGUMENTS });
}

module.exports = { startBrowser };
