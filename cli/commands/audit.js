/** `audit`: who called what, from the file that `MCP_NATIVE_AUDIT` names. */

const { followed } = require('../audit/follow');
const { Lines } = require('../audit/lines');
const { isMapping } = require('../config');
const { EXIT, Failure } = require('../failure');
const { linesOf, textOf } = require('../lines');
const { counted, json, print } = require('../output');

const HINT = 'MCP_NATIVE_AUDIT=FILE makes a command, or LibreChat, write one.';
const EVENTS = new Set(['call', 'tools-changed', 'tools-approved']);
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

module.exports = async function audit(given, options) {
  const file = given ?? process.env.MCP_NATIVE_AUDIT;
  if (!file) throw new Failure('No file is named', { code: 'MCP_INVALID_ARGUMENT', hint: HINT });
  const ending = new AbortController();
  const end = () => ending.abort();
  if (options.follow) for (const name of ['SIGINT', 'SIGTERM']) process.once(name, end);
  const text = options.follow ? followed(file, { signal: ending.signal, hint: HINT }) : textOf(file, HINT);
  const lines = new Lines();
  let records = 0;
  let skipped = 0;
  for await (const line of linesOf(text)) {
    const record = line === undefined ? undefined : recordOf(line);
    if (!record) {
      skipped += 1;
      continue;
    }
    records += 1;
    if (isWanted(record, options)) print(options.json ? json(record) : lines.of(record));
  }
  if (records === 0 && skipped > 0 && !options.follow) {
    const message = `${file} is no audit: none of its lines is a record`;
    throw new Failure(message, { exitCode: EXIT.failed, code: 'MCP_INVALID_ARGUMENT', hint: HINT });
  }
  if (skipped > 0) process.stderr.write(`${counted(skipped, 'line')} of the file left out: no records\n`);
  return EXIT.ok;
};

function recordOf(line) {
  let record;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  const isRecord = isMapping(record) && record.v === 1 && EVENTS.has(record.event) && TIME.test(record.at);
  return isRecord ? record : undefined;
}

function isWanted(record, { server, user, tool, refused }) {
  const tools = record.event === 'call' ? [record.toolName] : toolsOf(record);
  return (
    (server === undefined || record.serverName === server) &&
    (user === undefined || record.userId === user) &&
    (tool === undefined || tools.includes(tool)) &&
    (!refused || record.decision === 'refused')
  );
}

const toolsOf = ({ tools }) => (Array.isArray(tools) ? tools.map((tool) => tool?.name) : []);
