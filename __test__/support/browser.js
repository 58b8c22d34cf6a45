const { chromium } = require('playwright-core');
const { CHROMIUM, needPackage } = require('./requirements');

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
  needPackage('chromium');
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
}

module.exports = { startBrowser };
