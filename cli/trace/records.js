/** The records of a trace, read one after the other: a trace may be larger than memory. */

const { isMapping } = require('../config');
const { linesOf, textOf } = require('../lines');

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
  for await (const line of linesOf(textOf(file, HINT))) {
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

/** A key of the HTTP exchange that a record tells of; `undefined` where it names none. Each process counts from 1. */
function exchangeOf({ kind, process, id, exchange }) {
  const number = kind === 'http' ? id : exchange;
  return number === undefined ? undefined : JSON.stringify([process, number]);
}

module.exports = { HINT, exchangeOf, recordsOf };
