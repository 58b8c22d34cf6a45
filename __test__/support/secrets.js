/**
 * Watches a whole test run for secrets in logs and errors. While the variable names a directory, every process of the
 * run writes there what was logged and thrown, and which secrets were in use; `leaks` compares the two at the end.
 */

const { appendFileSync, existsSync, readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');

const VARIABLE = 'MCP_TEST_SECRETS';
/** Shorter texts are found in anything. */
const SHORTEST = 8;

function append(kind, text) {
  const directory = process.env[VARIABLE];
  // A directory that is gone belongs to a run that has ended.
  if (directory && existsSync(directory)) appendFileSync(join(directory, `${process.pid}.${kind}`), `${text}\n`);
}

/** Texts that nobody may find in a log or an error of this run. */
function registerSecrets(...values) {
  for (const value of values) {
    if (typeof value === 'string' && value.length >= SHORTEST) append('secrets', JSON.stringify(value));
  }
}

const recordLog = (text) => append('log', text);

/** An error as a host could show or log it, with its causes. */
function recordError(error) {
  for (let cause = error; cause; cause = cause.cause) {
    append('log', `thrown ${cause.stack} ${JSON.stringify({ ...cause, cause: undefined })}`);
  }
}

/** The lines that are whole: another suite may be writing. */
const linesOf = (directory, kind) =>
  readdirSync(directory)
    .filter((name) => name.endsWith(`.${kind}`))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1).filter(Boolean));

/**
 * The lines of the run in which a secret is, as it is, in a URL or in a header, the secret left out.
 *
 * @returns `{ secrets, lines, leaks }`: how many were compared, and what was found
 */
function findLeaks(directory) {
  const secrets = [...new Set(linesOf(directory, 'secrets').map((line) => JSON.parse(line)))];
  const lines = linesOf(directory, 'log');
  const forms = secrets.flatMap((secret) => [...new Set([secret, encodeURIComponent(secret)])]);
  const text = lines.join('\n');
  const leaked = forms.filter((form) => text.includes(form));
  const leaks = lines
    .filter((line) => leaked.some((form) => line.includes(form)))
    .map((line) => leaked.reduce((hidden, form) => hidden.replaceAll(form, '<SECRET>'), line));
  return { secrets: secrets.length, lines: lines.length, leaks };
}

module.exports = { VARIABLE, findLeaks, recordError, recordLog, registerSecrets };
