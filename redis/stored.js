/** What is read may be by somebody else, and of any shape. */

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

/** A time as it was written; `undefined` for anything else. */
const milliseconds = (text) => (/^\d{1,15}$/.test(text ?? '') ? Number(text) : undefined);

/** What JSON says; `undefined` for what is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A hash's fields by their names, in this order; those that it does not have are `undefined`. */
function named(names, fields) {
  return Object.fromEntries(
    names.map((name, index) => [name, fields[index] === null ? undefined : String(fields[index])]),
  );
}

module.exports = { isObject, milliseconds, named, parsed };
