/** What commands print. Only this file knows about colours and terminals, `columns.js` about their widths. */

const Table = require('cli-table3');
const { createSpinner } = require('nanospinner');
const colors = require('picocolors');
const { cut, width, wrapped, wrappedHint } = require('./columns');
const { EXIT } = require('./failure');
const { hintFor } = require('./hints');
const { withoutStack } = require('./hints-stdio');

/** Below this a table is no help. */
const MIN_COLUMN = 12;
const MAX_CELL = 2000;
/** Before what stands beneath a line. */
const INDENT = '  ';
/** Before its further lines: what a server says does not look like a hint of ours. */
const FURTHER = '    ';

// Who reads the output, such as `head`, may have had enough of it.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const paint = process.stdout.isTTY ? colors : colors.createColors(false);

/** Control, bidirectional and invisible characters, and what ends a line. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const ESCAPES = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A text for one line. Servers say what they like; a terminal must not obey it, and no text may look like a line of ours,
 * so what could do either is shown as an escape.
 */
function clean(text) {
  const hexadecimal = (character) => `\\u{${character.codePointAt(0).toString(16)}}`;
  return textOf(text).replace(UNSAFE, (character) => ESCAPES[character] ?? hexadecimal(character));
}

/** A text with its own line breaks; every line but the first begins with `indent`, so that it is seen to go on. */
function block(text, indent = '  ') {
  return textOf(text).split(/\r?\n/).map(clean).join(`\n${indent}`);
}

/** Texts as they are, anything else as JSON. */
function textOf(value) {
  return typeof value === 'string' ? value : json(value);
}

/** How deep a value is shown that is too deep for JavaScript's own JSON. */
const MAX_DEPTH = 64;

/** JSON that is safe on a terminal: what a terminal would obey is written as an escape of JSON. */
function json(value, space) {
  const unit = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  const escaped = (character) => (character === '\n' ? character : character.split('').map(unit).join(''));
  return stringify(value, space).replace(UNSAFE, escaped);
}

function stringify(value, space) {
  try {
    return JSON.stringify(value, null, space) ?? 'null';
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return JSON.stringify(pruned(value, MAX_DEPTH), null, space);
  }
}

function pruned(value, depth) {
  if (value === null || typeof value !== 'object') return value;
  if (depth === 0) return '…';
  if (Array.isArray(value)) return value.map((item) => pruned(item, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, pruned(member, depth - 1)]));
}

/** `1 tool`, `2 tools`. */
function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function print(text = '') {
  process.stdout.write(`${text}\n`);
}

function printJson(value) {
  print(json(value, 2));
}

/**
 * Prints rows under a head. The last column takes what is left and wraps; where nothing is left, each row becomes
 * lines of its own.
 */
function printTable(head, rows) {
  const cells = rows.map((row) => row.map((cell) => shortened(clean(cell ?? ''))));
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

/** A cell wider than any terminal only breaks the table. */
function shortened(text) {
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL)}…` : text;
}

/** Before the text of a spinner stands the spinner, and behind it the cursor. */
const SPINNER_COLUMNS = 3;

/**
 * Progress on a terminal that knows its width, without which the spinner never ends; silent everywhere else.
 *
 * @returns `{ update(text), above(work), stop() }`; what `work` prints stands above the progress
 */
function progress(text, { json } = {}) {
  const { stdout, stderr } = process;
  if (json || !stdout.isTTY || !stderr.isTTY || !stderr.columns) {
    return { update() {}, above: (work) => work(), stop() {} };
  }
  const fitting = (next) => cut(next, stderr.columns - SPINNER_COLUMNS);
  const spinner = createSpinner(fitting(text), { stream: stderr }).start();
  return {
    update: (next) => spinner.update({ text: fitting(next) }),
    above: (work) => {
      spinner.clear();
      work();
    },
    stop: () => spinner.clear().stop(),
  };
}

/** `{ code, message, hint }` of an error. */
function summary(error, known) {
  const { mcpCode, code = mcpCode } = error;
  const name = typeof code === 'number' ? mcpCode : code;
  const message = clean(
    withoutStack(textOf(error.message))
      .replace(/[ \t\r\n]+/g, ' ')
      // A server's SDK may have written it, too.
      .replace(/^(MCP error -?\d+: )\1+/, '$1')
      .trim(),
  );
  return {
    code: name ?? 'MCP_INTERNAL',
    message,
    hint:
      error.hint ??
      hintFor(name, { ...known, message, status: error.status }) ??
      'Look at the log: MCP_NATIVE_LOG=debug shows it.',
  };
}

/** Tells of a server that failed, as `options.json` says, and returns the exit code. */
function tellFailure(name, error, options) {
  if (options.json) printJson({ version: 1, name, ok: false, error });
  else printFailure(name, error);
  return error.code === 'MCP_INVALID_CONFIG' ? EXIT.usage : EXIT.failed;
}

function printFailure(name, { hint, ...cause }) {
  const shown = clean(name);
  const text = causeText(cause, `${shown}: `);
  print(`${paint.red('✗')} ${text.replace(shown, () => paint.bold(shown))}`);
  if (hint) printHint(hint);
}

/** The cause, beneath the line of a server. */
function printCause(cause) {
  print(INDENT + causeText(cause));
}

/** The code comes last, where it does not stand between the server and the cause. */
function causeText({ code, message }, begin = '') {
  const end = `(${code})`;
  return wrapped(`${begin}${message} ${end}`, FURTHER).slice(0, -end.length) + paint.dim(end);
}

/** What to do, beneath what it is about. */
function printHint(hint, mark = paint.cyan('→')) {
  print(`${INDENT}${mark} ${wrappedHint(clean(hint), FURTHER)}`);
}

/** Tells of an error that ended the command: as JSON on stdout, else on stderr. */
function reportFailure(error, json) {
  const { code, message, hint } = summary(error);
  if (json) return printJson({ version: 1, ok: false, error: { code, message, hint, line: error.line } });
  const red = process.stderr.isTTY ? colors.red : String;
  process.stderr.write(`${red('error')}: ${message}\n`);
  if (error.name === 'Failure' && error.hint) process.stderr.write(`${error.hint}\n`);
  return undefined;
}

module.exports = {
  block,
  clean,
  counted,
  json,
  paint,
  print,
  printCause,
  printFailure,
  printHint,
  printJson,
  printTable,
  progress,
  reportFailure,
  summary,
  tellFailure,
};
