/**
 * From a JSON Schema to a form, and from what was typed to a value. A draft is what stands in the fields: texts for texts
 * and numbers, an index for a choice, arrays and objects of drafts. That of an object keeps the members that have no field.
 */

const OTHERS = Symbol('members without a field');

/** What is nested deeper is typed as JSON; schemas may refer to themselves. */
const MAX_DEPTH = 4;
const MAX_REFERENCES = 16;

/** The schema that a reference leads to, without what only allows `null` beside it. */
export function resolve(schema, root) {
  let found = schema;
  for (let count = 0; count < MAX_REFERENCES; count++) {
    const next = inner(found, root);
    if (next === undefined) return found;
    // What stands beside a reference describes this use of it.
    const { $ref, anyOf, oneOf, ...beside } = found;
    found = { ...next, ...beside };
  }
  return {};
}

function inner(schema, root) {
  if (typeof schema?.$ref === 'string') return pointed(root, schema.$ref);
  const options = schema?.anyOf ?? schema?.oneOf;
  if (!Array.isArray(options) || !options.some(isNull)) return undefined;
  const others = options.filter((option) => !isNull(option));
  return others.length === 1 ? others[0] : undefined;
}

const isNull = (schema) => schema?.type === 'null';

function pointed(root, reference) {
  if (!reference.startsWith('#')) return {};
  const names = reference.slice(1).split('/').slice(1);
  const member = (found, name) => {
    const key = decodeURIComponent(name).replaceAll('~1', '/').replaceAll('~0', '~');
    return found !== null && typeof found === 'object' && Object.hasOwn(found, key) ? found[key] : undefined;
  };
  return names.reduce(member, root) ?? {};
}

/** `{ value, label }` of each choice, where there are choices. */
export function choicesOf(schema) {
  if (Array.isArray(schema?.enum)) {
    return schema.enum.map((value, index) => ({ value, label: labelOf(schema.enumNames?.[index] ?? value) }));
  }
  const options = schema?.oneOf ?? schema?.anyOf;
  if (
    !Array.isArray(options) ||
    options.length === 0 ||
    !options.every((option) => Object.hasOwn(option ?? {}, 'const'))
  )
    return undefined;
  return options.map((option) => ({ value: option.const, label: labelOf(option.title ?? option.const) }));
}

const labelOf = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

const SIMPLE = new Set(['text', 'number', 'integer', 'choice']);

/** Which field a resolved schema gets: text, number, integer, boolean, choice, choices, list, object or json. */
export function kindOf(schema, root, depth = 0) {
  if (choicesOf(schema)) return 'choice';
  const types = [schema?.type].flat().filter((type) => type !== 'null');
  const [type] = types.length === 1 ? types : [];
  if (type === 'string') return 'text';
  if (type === 'number' || type === 'integer' || type === 'boolean') return type;
  if (type === 'object' && depth < MAX_DEPTH && isMapping(schema.properties)) return 'object';
  if (type !== 'array' || !isMapping(schema.items)) return 'json';
  const items = resolve(schema.items, root);
  if (choicesOf(items)) return 'choices';
  return SIMPLE.has(kindOf(items, root, MAX_DEPTH)) ? 'list' : 'json';
}

const isMapping = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** What stands in the fields at first: the value, else the schema's default; what a value leaves out stays out. */
export function draftOf(given, root, value, depth = 0, isGiven = value !== undefined) {
  const schema = resolve(given, root);
  const known = isGiven ? value : schema?.default;
  switch (kindOf(schema, root, depth)) {
    case 'boolean':
      return known;
    case 'choice':
      return indexOf(choicesOf(schema), known);
    case 'choices':
      return choicesOf(resolve(schema.items, root)).map(({ value: choice }) =>
        [known].flat().some((one) => isSame(one, choice)),
      );
    case 'list':
      return (Array.isArray(known) ? known : []).map((item) => draftOf(schema.items, root, item, depth + 1));
    case 'object': {
      const members = Object.entries(isMapping(known) ? known : {});
      const others = members.filter(([name]) => !Object.hasOwn(schema.properties, name));
      const drafts = Object.entries(schema.properties).map(([name, property]) => {
        const [, member] = members.find(([one]) => one === name) ?? [];
        return [name, draftOf(property, root, member, depth + 1, isGiven || member !== undefined)];
      });
      return { ...Object.fromEntries(drafts), [OTHERS]: Object.fromEntries(others) };
    }
    case 'json':
      return known === undefined ? '' : JSON.stringify(known, null, 2);
    default:
      return known === undefined || known === null ? '' : String(known);
  }
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function indexOf(choices, value) {
  const index = choices.findIndex((choice) => isSame(choice.value, value));
  return index < 0 ? '' : String(index);
}

/** The value that was typed; `undefined` for what is left out. The browser has checked the fields before. */
export function valueFrom(given, root, draft, isRequired, depth = 0) {
  const schema = resolve(given, root);
  switch (kindOf(schema, root, depth)) {
    case 'text':
      return draft === '' && !isRequired ? undefined : draft;
    case 'number':
    case 'integer':
      return draft === '' ? undefined : Number(draft);
    case 'boolean':
      return draft ?? (isRequired ? false : undefined);
    case 'choice':
      return draft === '' ? undefined : choicesOf(schema)[Number(draft)].value;
    case 'choices':
      return filled(
        choicesOf(resolve(schema.items, root)).flatMap(({ value }, index) => (draft[index] ? [value] : [])),
        isRequired,
      );
    case 'list':
      return filled(
        draft.map((item) => valueFrom(schema.items, root, item, true, depth + 1)),
        isRequired,
      );
    case 'object': {
      const members = Object.entries(schema.properties).flatMap(([name, property]) => {
        const value = valueFrom(property, root, draft[name], isNeeded(schema, name), depth + 1);
        return value === undefined ? [] : [[name, value]];
      });
      const all = [...Object.entries(draft[OTHERS]), ...members];
      return all.length > 0 || isRequired ? Object.fromEntries(all) : undefined;
    }
    default:
      return draft === '' ? undefined : JSON.parse(draft);
  }
}

const filled = (list, isRequired) => (list.length > 0 || isRequired ? list : undefined);

export const isNeeded = (schema, name) => Array.isArray(schema.required) && schema.required.includes(name);

/** Where a part of a value is that another one lacks: its path, `undefined` where all of it is there. */
export function lostOf(value, other, path = '') {
  if (value === null || typeof value !== 'object') return isSame(value, other) ? undefined : path;
  if (other === null || typeof other !== 'object' || Array.isArray(value) !== Array.isArray(other)) return path;
  if (Array.isArray(value) && value.length !== other.length) return path;
  for (const [name, member] of Object.entries(value)) {
    const lost = lostOf(member, Object.hasOwn(other, name) ? other[name] : undefined, path ? `${path}.${name}` : name);
    if (lost !== undefined) return lost;
  }
  return undefined;
}

/** What is wrong with how many items there are, in words; none are right where the list is left out. */
export function countProblem({ minItems = 0, maxItems = Infinity }, count, isRequired) {
  if (count < minItems && (count > 0 || isRequired))
    return `at least ${minItems} ${minItems === 1 ? 'is' : 'are'} needed`;
  return count > maxItems ? `at most ${maxItems} ${maxItems === 1 ? 'is' : 'are'} allowed` : undefined;
}
