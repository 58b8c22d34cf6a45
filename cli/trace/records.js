/** The records of a trace, read one after the other: a trace may be larger than memory. */

const { createReadStream } = require('node:fs');
const { isMapping, unreadable } = require('../config');

/** Longer than any record that is written. */
const MAX_LINE = 16 * 1024 * 1024;
const KINDS = new Set(['http', 'message', 'step']);
const HINT = 'MCP_NATIVE_TRACE=FILE makes a command, or LibreChat, write one.';

/**
 * @param skipped  `skipped.count` becomes the number of lines that are no records of this version
 * @yields records as they stand in the file, with `time` in microseconds since the epoch; those that tell of a gap with that of
 * the record before
 */
async function* recordsOf(file, skipped) {
  skipped.count = 0;
  let time = 0;
  for await (const line of linesOf(file)) {
    const record = line === undefined ? undefined : recordOf(line, time);
    time = record?.time ?? time;
    if (record) yield record;
    else skipped.count += 1;
  }
}

function recordOf(line, before) {
  let record;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (record?.kind === 'lost') return { ...record, time: before };
  if (!isMapping(record) || record.v !== 1 || !KINDS.has(record.kind)) return undefined;
  const time = microseconds(record.at);
  return Number.isNaN(time) ? undefined : { ...record, time };
}

/** Of ISO 8601 in UTC; `Date` knows milliseconds only. */
function microseconds(text) {
  const [, second, fraction = ''] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text) ?? [];
  return Date.parse(`${second}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** Lines that are not empty; `undefined` for one that is too long. */
async function* linesOf(file) {
  let line = new Line();
  for await (const chunk of textOf(file)) {
    const [first, ...others] = chunk.split('\n');
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

async function* textOf(file) {
  try {
    yield* createReadStream(file, { encoding: 'utf8' });
  } catch (error) {
    throw unreadable(file, error, HINT);
  }
}

/** A key of the HTTP exchange that a record tells of; `undefined` where it names none. Each process counts from 1. */
function exchangeOf({ kind, process, id, exchange }) {
  const number = kind === 'http' ? id : exchange;
  return number === undefined ? undefined : JSON.stringify([process, number]);
}

module.exports = { HINT, exchangeOf, recordsOf };
