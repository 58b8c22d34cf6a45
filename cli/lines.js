/** Lines of a file that may be larger than memory. */

const { createReadStream } = require('node:fs');
const { unreadable } = require('./config');

/** Longer than any record that is written. */
const MAX_LINE = 16 * 1024 * 1024;

/** @yields lines of pieces of text that are not empty; `undefined` for one that is too long */
async function* linesOf(pieces) {
  let line = new Line();
  for await (const piece of pieces) {
    const [first, ...others] = piece.split('\n');
    line.add(first);
    for (const part of others) {
      if (!line.isEmpty()) yield line.text();
      line = new Line();
      line.add(part);
    }
  }
  if (!line.isEmpty()) yield line.text();
}

/** A line in parts, of which no more are kept than a record has. */
class Line {
  #parts = [];
  #length = 0;

  add(part) {
    this.#length += part.length;
    if (this.#length > MAX_LINE) this.#parts = [];
    else this.#parts.push(part);
  }

  isEmpty() {
    return this.#length === 0;
  }

  text() {
    return this.#length > MAX_LINE ? undefined : this.#parts.join('');
  }
}

/** @yields the text of a file, in pieces */
async function* textOf(file, hint) {
  try {
    yield* createReadStream(file, { encoding: 'utf8' });
  } catch (error) {
    throw unreadable(file, error, hint);
  }
}

module.exports = { linesOf, textOf };
