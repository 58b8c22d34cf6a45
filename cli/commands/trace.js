/** `trace`: what a program has sent and received, from the file that `MCP_NATIVE_TRACE` named. */

const { closeSync, fchmodSync, fstatSync, openSync, writeSync } = require('node:fs');
const { resolve } = require('node:path');
const { EXIT, Failure } = require('../failure');
const { clean, counted, paint, print } = require('../output');
const { HEAD, Har, TAIL } = require('../trace/har');
const { HINT, recordsOf } = require('../trace/records');
const { Story } = require('../trace/story');

/** A mode. */
const OWNERS_ALONE = 0o600;

module.exports = async function trace(file, options) {
  const skipped = {};
  const seen = { count: 0 };
  const records = chosen(recordsOf(file, skipped), options.server, seen);
  await (options.har ? exportHar(file, records, options.har) : tell(records));
  if (seen.count === 0 && skipped.count > 0) {
    const message = `${file} is no trace: none of its lines is a record`;
    throw new Failure(message, { exitCode: EXIT.failed, code: 'MCP_INVALID_ARGUMENT', hint: HINT });
  }
  if (skipped.count > 0) process.stderr.write(`${counted(skipped.count, 'line')} of the file left out: no records\n`);
  return EXIT.ok;
};

async function* chosen(records, server, seen) {
  for await (const record of records) {
    seen.count += 1;
    if (server === undefined || record.server === server || record.kind === 'lost') yield record;
  }
}

async function tell(records) {
  const story = new Story();
  let count = 0;
  for await (const record of records) {
    if (count === 0) print(paint.dim(`begins at ${clean(record.at ?? 'a gap')}`));
    count += 1;
    const line = story.line(record);
    if (line) print(line);
  }
  const left = story.unanswered();
  for (const request of left) print(`${paint.yellow('!')} unanswered: ${request}`);
  print(counted(count, 'record'));
}

async function exportHar(file, records, out) {
  if (resolve(file) === resolve(out)) throw new Failure('--har names the trace itself');
  let handle;
  try {
    handle = openSync(out, 'w', OWNERS_ALONE);
    // One that was there before may be anybody's to read.
    if (fstatSync(handle).isFile()) fchmodSync(handle, OWNERS_ALONE);
  } catch (error) {
    throw new Failure(`${out} cannot be written: ${error.message}`);
  }
  let count = 0;
  try {
    writeSync(handle, HEAD);
    const har = new Har((entry) => {
      writeSync(handle, `${count === 0 ? '' : ','}\n${JSON.stringify(entry)}`);
      count += 1;
    });
    for await (const record of records) har.add(record);
    har.end();
    writeSync(handle, TAIL);
    const left = har.left > 0 ? `; ${counted(har.left, 'message')} over other transports left out` : '';
    print(`${counted(count, 'exchange')} written to ${clean(out)}${left}`);
  } finally {
    closeSync(handle);
  }
}
