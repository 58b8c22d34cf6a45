/** The functions of `prelude.js` by themselves, evaluated in the realm in which the addon evaluates them. */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { runInThisContext } = require('node:vm');

const ENGINE = join(__dirname, '../../src/node/engine');
const read = (file) => readFileSync(join(ENGINE, file), 'utf8');

/** The names of the functions, in the order in which Rust finds them. */
const [, variants] = /pub enum Helper \{(.*?)\n\}/s.exec(read('prelude.rs'));
const names = [...variants.matchAll(/^ {4}(\w)(\w+),$/gm)].map(([, first, rest]) => first.toLowerCase() + rest);
const functions = runInThisContext(read('prelude.js'));
const helpers = Object.fromEntries(names.map((name, index) => [name, functions[index]]));

/** Values of the realm of the script: what the host passes is of that one, while Jest's own is another. */
const host = (expression) => runInThisContext(`(${expression})`);

module.exports = { functions, helpers, host, names };
