/** Texts in the columns of a terminal, in which some characters take two and others none. */

const columnsOf = require('string-width');

/** Columns of the output; where nobody says how many there are, nothing is cut or wrapped. */
function width() {
  return process.stdout.columns || Number(process.env.COLUMNS) || Number.POSITIVE_INFINITY;
}

/** The beginning of a text, with an ellipsis where it has more columns than these. */
function cut(text, columns) {
  if (columnsOf(text) <= columns) return text;
  let shown = '';
  let used = 0;
  for (const character of text) {
    used += columnsOf(character);
    if (used >= columns) break;
    shown += character;
  }
  return `${shown.trimEnd()}…`;
}

/** A text in exactly these columns; `end` puts it at their end. */
function padded(text, columns, { end = false } = {}) {
  const shown = cut(text, columns);
  const space = ' '.repeat(Math.max(0, columns - columnsOf(shown)));
  return end ? space + shown : shown + space;
}

/**
 * A text in lines of the output's width, all but the first with `indent` before them. A word that is too long is broken: where
 * a terminal breaks it, the rest of it stands at the beginning of a line, and looks like ours.
 */
function wrapped(text, indent) {
  return filled(text.split(' ').flatMap(broken(room(indent))), indent);
}

/** The same of a text that is ours, in which a command stays in one piece, to be copied. */
function wrappedHint(text, indent) {
  return filled(text.match(/npx librechat-mcp-native .+$|[^ ]+/g) ?? [], indent);
}

const room = (indent) => Math.max(1, width() - columnsOf(indent));

const broken = (columns) => (word) => {
  if (columnsOf(word) <= columns) return [word];
  const pieces = [''];
  for (const character of word) {
    if (columnsOf(pieces.at(-1) + character) > columns) pieces.push('');
    pieces[pieces.length - 1] += character;
  }
  return pieces;
};

function filled(words, indent) {
  const lines = [];
  for (const word of words) {
    const longer = lines.length > 0 && `${lines.at(-1)} ${word}`;
    if (longer && columnsOf(longer) <= room(indent)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join(`\n${indent}`);
}

module.exports = { columnsOf, cut, padded, width, wrapped, wrappedHint };
