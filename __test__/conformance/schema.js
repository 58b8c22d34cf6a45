/** Values for JSON schemas, as someone would enter them who has no opinion. */

const SAMPLES = { string: 'text', number: 1.5, integer: 1, boolean: true, array: [], object: {}, null: null };

function sample(schema) {
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  const choices = schema.enum ?? schema.oneOf?.map((choice) => choice.const);
  if (choices?.length) return choices[0];
  return SAMPLES[[schema.type].flat()[0]] ?? 'text';
}

function properties(schema, wanted) {
  const entries = Object.entries(schema?.properties ?? {}).filter(([, property]) => wanted(property));
  return Object.fromEntries(entries.map(([name, property]) => [name, sample(property)]));
}

/** Arguments for a tool: every property. */
function argumentsFor(schema) {
  return properties(schema, () => true);
}

/** Content of an accepted form: what has a default is left out, for the client to fill in. */
function fillIn(schema) {
  return properties(schema, (property) => property.default === undefined);
}

module.exports = { argumentsFor, fillIn };
