/** YAML files, the configuration above all: found, read, and their positions kept for messages. */

const { readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
const { Failure } = require('./failure');

const DEFAULT_FILE = 'librechat.yaml';

/**
 * Reads a `librechat.yaml` and the `.env` beside it. Variables that are set already stay.
 *
 * @returns `{ file, document, servers, lineOf }`; see `readYaml`
 */
function readConfig(file = DEFAULT_FILE) {
  const { document, lineOf } = readYaml(file, {
    hint: 'Name the configuration, or run this where it is: --config path/to/librechat.yaml',
  });
  const { mcpServers } = document;
  if (!isMapping(document)) throw new Failure(`${file}:1: expected mcpServers`);
  if (mcpServers !== undefined && mcpServers !== null && !isMapping(mcpServers)) {
    const line = lineOf(['mcpServers']);
    throw new Failure(`${file}:${line}: mcpServers must be an object`, { line });
  }
  loadEnvironment(join(dirname(file), '.env'));
  return { file, document, servers: mcpServers ?? {}, lineOf };
}

const isMapping = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Reads a YAML file; an empty one is an empty object.
 *
 * @param options.hint      what to do if there is no such file
 * @param options.isSecret  whether to repeat nothing of its text, and to take nothing that YAML only warns of
 * @returns `{ document, lineOf(path) }`; `lineOf` is the line of the member at a path, or of the nearest member around it
 */
function readYaml(file, { hint, isSecret = false }) {
  // Half of what a command takes to begin, and many read no file.
  const { LineCounter, parseDocument } = require('yaml');
  const text = readText(file, hint);
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const [problem] = isSecret ? [...parsed.errors, ...parsed.warnings] : parsed.errors;
  const told = ({ message }) => {
    if (isSecret) return 'this is not the YAML that it should be';
    return /alias/i.test(message) ? `${message} (a text that begins with *, as globs may, needs quotes: '*')` : message;
  };
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0]);
    const advice = isSecret ? 'Put values into quotes.' : 'Correct the YAML at that place.';
    throw new Failure(`${file}:${line}:${col}: ${told(problem)}`, { line, hint: advice });
  }
  let document;
  try {
    document = parsed.toJS() ?? {};
  } catch (error) {
    throw new Failure(`${file}: ${told(error)}`);
  }
  const lineOf = (path) => {
    for (let length = path.length; length > 0; length--) {
      const line = lineOfMember(parsed, path.slice(0, length), lines);
      if (line) return line;
    }
    return 1;
  };
  return { document, lineOf };
}

function readText(file, hint) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error, hint);
  }
}

function unreadable(file, { code, message }, hint) {
  return new Failure(`${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : message}`, { hint });
}

function lineOfMember(parsed, path, lines) {
  const parent = path.length > 1 ? parsed.getIn(path.slice(0, -1), true) : parsed.contents;
  const name = String(path.at(-1));
  const pair = parent?.items?.find?.((item) => item.key !== undefined && String(item.key?.value ?? item.key) === name);
  const range = pair?.key?.range ?? parent?.items?.[path.at(-1)]?.range;
  return range && lines.linePos(range[0]).line;
}

/** Sets the variables of a `.env`, where there is one; those that are set already stay. */
function loadEnvironment(file) {
  try {
    process.loadEnvFile(file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw new Failure(`${file} cannot be read: ${error.message}`);
  }
}

/** The server's configuration; refuses a name that the file does not have. */
function serverOf({ file, servers }, name) {
  const config = Object.hasOwn(servers, name) ? servers[name] : undefined;
  if (config && typeof config === 'object') return config;
  throw new Failure(`${file} has no server "${name}"`, {
    code: 'MCP_CONFIG_NOT_FOUND',
    hint: `Servers of this configuration: ${Object.keys(servers).join(', ') || 'none'}.`,
  });
}

module.exports = { DEFAULT_FILE, isMapping, loadEnvironment, readConfig, readYaml, serverOf, unreadable };
