/** Arguments of tools and prompts on the command line: JSON, or `name=value`. */

const { isMapping } = require('./config');
const { Failure } = require('./failure');
const { clean, json } = require('./output');
const { readStdin } = require('./stdin');

const MAX_INPUT = 16 * 1024 * 1024;
const PAIR = /^([^={["\s][^=]*)=([\s\S]*)$/;

const invalid = (message, hint) => new Failure(message, { code: 'MCP_INVALID_ARGUMENT', hint });

/**
 * The arguments of a tool that need no schema: none, one text in JSON, or `-` for JSON on stdin.
 *
 * @returns `undefined` where they are `name=value`
 */
async function jsonArguments([first, ...others]) {
  if (first === undefined) return {};
  if (others.length > 0 || PAIR.test(first)) return undefined;
  return fromJson(first === '-' ? await readStdin({ limit: MAX_INPUT, ask: 'Type the arguments in JSON' }) : first);
}

function fromJson(text) {
  if (text === undefined) throw invalid(`The arguments are longer than ${MAX_INPUT} characters`);
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`The arguments are no JSON: ${error.message}`, 'Give a JSON object, or name=value for each of them.');
  }
  if (!isMapping(value)) throw invalid('The arguments must be a JSON object');
  return value;
}

/** `name=value` texts as `[name, value]`. */
function pairsOf(given) {
  const pairs = given.map((text) => {
    const [, name, value] = PAIR.exec(text) ?? [];
    if (name === undefined) throw invalid(`${clean(text)} is not name=value`);
    return [name, value];
  });
  const names = pairs.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`${clean(twice)} is given twice`);
  return pairs;
}

/** The others, each as the tool's schema has it. Schemas are the servers' own, and hold what they like. */
function pairedArguments(given, schema) {
  const pairs = pairsOf(given);
  const properties = isMapping(schema?.properties) ? schema.properties : {};
  const known = Object.keys(properties);
  const takesOthers = known.length === 0 || Boolean(schema.additionalProperties);
  const values = pairs.map(([name, text]) => {
    if (Object.hasOwn(properties, name)) return [name, typedValue(name, text, properties[name])];
    if (!takesOthers) {
      throw invalid(
        `The tool has no parameter ${clean(name)}`,
        `Its parameters: ${known.map(clean).join(', ')}. Arguments in JSON are sent as they are.`,
      );
    }
    return [name, typedValue(name, text, {})];
  });
  const names = new Set(pairs.map(([name]) => name));
  const required = Array.isArray(schema?.required) ? schema.required : [];
  const missing = required.filter((name) => !names.has(name));
  if (missing.length > 0) throw invalid(`The tool needs ${missing.map(clean).join(', ')}`);
  return Object.fromEntries(values);
}

/** Whether a value of JSON is of a type of JSON Schema. */
const IS = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
  array: Array.isArray,
  object: isMapping,
};

/** A text stays one where it may be; where it may be something else, too, it is that if it reads as that. */
function typedValue(name, text, property) {
  const types = typesOf(property);
  if (types.length === 1 && types[0] === 'string') return text;
  const value = parsed(text);
  const isTaken = value !== undefined && (types.length === 0 || types.some((type) => IS[type](value)));
  // In quotes, a text could be meant that has them.
  if (isTaken && typeof value !== 'string') return value;
  if (types.length === 0 || types.includes('string')) return text;
  throw invalid(`${clean(name)} must be of type ${types.join(' or ')}, not ${clean(json(text))}`);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The types that a schema names; none where it may be anything, or says it in a way that is not read here. */
function typesOf(property) {
  const { type, enum: values, const: only, anyOf, oneOf } = isMapping(property) ? property : {};
  if (type !== undefined) return [type].flat().filter((name) => Object.hasOwn(IS, name));
  const constants = Array.isArray(values) ? values : [only].filter((value) => value !== undefined);
  if (constants.length > 0) {
    const names = Object.keys(IS).filter((name) => name !== 'integer');
    return [...new Set(constants.map((value) => names.find((name) => IS[name](value))))];
  }
  // Choices of choices are not read: they could nest for ever.
  const choices = [anyOf, oneOf].find(Array.isArray) ?? [];
  const found = choices.map((choice) => typesOf({ type: choice?.type, enum: choice?.enum, const: choice?.const }));
  return found.some((names) => names.length === 0) ? [] : [...new Set(found.flat())];
}

module.exports = { jsonArguments, pairedArguments, pairsOf };
