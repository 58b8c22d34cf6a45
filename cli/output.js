/** What commands print. Only this file knows about colours, widths and terminals. */

const Table = require('cli-table3');
const { createSpinner } = require('nanospinner');
const colors = require('picocolors');
const { hintFor } = require('./hints');

const DEFAULT_WIDTH = 100;
/** Below this a table is no help. */
const MIN_COLUMN = 12;

const paint = process.stdout.isTTY ? colors : colors.createColors(false);

/** Servers say what they like; a terminal must not obey it. */
function clean(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}]/gu, (character) => (character === '\n' ? '\n' : ' '));
}

function print(text = '') {
  process.stdout.write(`${text}\n`);
}

function printJson(value) {
  print(JSON.stringify(value, null, 2));
}

function width() {
  return process.stdout.columns || Number(process.env.COLUMNS) || DEFAULT_WIDTH;
}

/**
 * Prints rows under a head. The last column takes what is left and wraps; where nothing is left, each row becomes
 * lines of its own.
 */
function printTable(head, rows) {
  const cells = rows.map((row) => row.map((cell) => clean(cell ?? '')));
  const widths = head.map((name, index) => Math.max(name.length, ...cells.map((row) => row[index].length)) + 2);
  const borders = head.length + 1;
  const fixed = widths.slice(0, -1).reduce((sum, value) => sum + value, 0);
  const last = Math.min(widths.at(-1), width() - fixed - borders);
  if (last < Math.min(widths.at(-1), MIN_COLUMN)) {
    const line = (cell, index) => `${paint.bold(head[index])}: ${cell}`;
    for (const row of cells) print(`${row.map(line).join('\n')}\n`);
    return;
  }
  const table = new Table({
    head: head.map((name) => paint.bold(name)),
    colWidths: [...widths.slice(0, -1), last],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  table.push(...cells);
  print(table.toString());
}

/** Progress on a terminal that knows its width, without which the spinner never ends; silent everywhere else. */
function progress(text, { json } = {}) {
  if (json || !process.stderr.isTTY || !process.stderr.columns) return { update() {}, stop() {} };
  const spinner = createSpinner(text, { stream: process.stderr }).start();
  return {
    update: (next) => spinner.update({ text: next }),
    stop: () => spinner.clear().stop(),
  };
}

/** `{ code, message, hint }` of an error. */
function summary(error, known) {
  const { mcpCode, code = mcpCode } = error;
  const name = typeof code === 'number' ? mcpCode : code;
  return {
    code: name ?? 'MCP_INTERNAL',
    message: clean(error.message).replace(/\s+/g, ' ').trim(),
    hint: error.hint ?? hintFor(name, known) ?? 'Look at the log: MCP_NATIVE_LOG=debug shows it.',
  };
}

function printFailure(name, { message, hint }) {
  print(`${paint.red('✗')} ${paint.bold(clean(name))}: ${message}`);
  if (hint) print(`  ${paint.cyan('→')} ${hint}`);
}

/** Tells of an error that ended the command: as JSON on stdout, else on stderr. */
function reportFailure(error, json) {
  const { code, message, hint } = summary(error);
  if (json) return printJson({ ok: false, error: { code, message, hint, line: error.line } });
  const red = process.stderr.isTTY ? colors.red : String;
  process.stderr.write(`${red('error')}: ${message}\n`);
  if (error.name === 'Failure' && error.hint) process.stderr.write(`${error.hint}\n`);
  return undefined;
}

module.exports = { clean, paint, print, printFailure, printJson, printTable, progress, reportFailure, summary };
