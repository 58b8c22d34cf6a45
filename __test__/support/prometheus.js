/** Lines of Prometheus' text format, by its grammar: samples as [name, labels, value], and the type of each family. */
function parseMetrics(text) {
  const samples = [];
  const types = new Map();
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment) {
      if (comment[1] === 'TYPE') {
        expect(types.has(comment[2])).toBe(false);
        types.set(comment[2], comment[3]);
        expect(comment[3]).toMatch(/^(counter|gauge|histogram)$/);
      }
      continue;
    }
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\"n])*",?)*)\})? (\S+)$/.exec(line);
    expect(sample ?? line).toBeInstanceOf(Array);
    const [, name, labels = '', value] = sample;
    expect(types.has(familyOf(name, types)) || line).toBe(true);
    expect(Number.isFinite(Number(value)) || line).toBe(true);
    const pairs = [...labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)];
    samples.push([
      name,
      Object.fromEntries(pairs.map(([, label, text]) => [label, JSON.parse(`"${text}"`)])),
      Number(value),
    ]);
  }
  return { samples, types };
}

/** The family that a sample is of. */
const familyOf = (name, families) => (families.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''));

const KEYWORDS = new Set([
  'and',
  'bool',
  'by',
  'group_left',
  'group_right',
  'ignoring',
  'offset',
  'on',
  'or',
  'unless',
]);

/** What a PromQL expression asks for: `[{ name, labels }]`, with the labels that it selects or groups the name by. */
function selectorsOf(expression) {
  const text = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/\[[^\]]*\]/g, '');
  const grouped = [...text.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, labels]) => labels.split(','));
  const bare = text.replace(/\bby\s*\([^)]*\)/g, '');
  const found = [...bare.matchAll(/\b([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(?:\{([^}]*)\})?/g)];
  // Inside of braces there are labels, which the whole match of their selector has passed over.
  return found
    .filter(([, name]) => !KEYWORDS.has(name))
    .map(([, name, matchers = '']) => ({
      name,
      labels: [...matchers.matchAll(/([a-zA-Z_]\w*)\s*[=!]/g)].map(([, label]) => label).concat(grouped),
    }))
    .map(({ name, labels }) => ({ name, labels: labels.map((label) => label.trim()) }));
}

module.exports = { familyOf, parseMetrics, selectorsOf };
