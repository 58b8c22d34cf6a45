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

/** The same with the ellipsis in the middle: names often differ at their end. */
function cutInside(text, columns) {
  if (columnsOf(text) <= columns) return text;
  const half = Math.ceil((columns - 1) / 2);
  const first = cut(text, half + 1).slice(0, -1);
  let last = '';
  for (const character of [...text].reverse()) {
    if (columnsOf(`${first}…${character}${last}`) > columns) break;
    last = character + last;
  }
  return `${first}…${last}`;
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

/** A command to the end of the text, or to the dash behind it; names in it may stand in quotes. */
const COMMAND = /(?:npx librechat-mcp-native|openssl s_client) (?:'[^']*'|[^'])+?(?= – |$)/;

/** The same of a text that is ours, in which a command stays in one piece, to be copied. */
function wrappedHint(text, indent) {
  const [command] = COMMAND.exec(text) ?? [];
  if (!command) return wrapped(text, indent);
  const words = (part) =>
    part
      .split(' ')
      .filter(Boolean)
      .flatMap(broken(room(indent)));
  const at = text.indexOf(command);
  return filled([...words(text.slice(0, at)), command, ...words(text.slice(at + command.length))], indent);
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

module.exports = { columnsOf, cut, cutInside, padded, width, wrapped, wrappedHint };
