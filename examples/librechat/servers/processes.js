const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { setTimeout: delay } = require('node:timers/promises');

/** On a machine that is busy with other things; alone it takes seconds. */
const START_MS = 120_000;
const STOP_MS = 30_000;
const POLL_MS = 50;

/** @param {string} url */
const answers = (url) =>
  fetch(url).then(
    async (response) => {
      await response.body?.cancel();
      return true;
    },
    () => false,
  );

/**
 * @typedef {object} Script
 * @property {string} url
 * @property {number | undefined} pid
 * @property {() => string} output        what it printed
 * @property {() => Promise<void>} close  asks it to end and waits for that
 */

/**
 * Starts a Node script and waits until its URL answers anything, and it has said what it is to say.
 *
 * @param {string} script
 * @param {string[]} args
 * @param {object} options
 * @param {string} options.url               where it listens
 * @param {string} [options.says]            part of its output
 * @param {Record<string, string>} [options.env]  added to this process's environment
 * @returns {Promise<Script>}
 */
async function startScript(script, args, { url, says = '', env }) {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  // A process that ends in a hurry takes them with it.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const close = async () => {
    if (hasEnded()) return;
    // With all that it printed.
    const ended = once(child, 'close');
    child.kill();
    const stubborn = setTimeout(kill, STOP_MS);
    await ended;
    clearTimeout(stubborn);
  };
  const deadline = Date.now() + START_MS;
  while (!output.includes(says) || !(await answers(url))) {
    if (hasEnded() || Date.now() > deadline) {
      await close();
      throw new Error(`${script} did not start:\n${output}`);
    }
    await delay(POLL_MS);
  }
  return { url, pid: child.pid, output: () => output, close };
}

module.exports = { startScript };
