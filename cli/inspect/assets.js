/** The files that the page is made of: a table, so that no path of a request becomes one of the disk. */

const { readdirSync, readFileSync } = require('node:fs');
const { dirname, extname, join } = require('node:path');

const PAGE = join(__dirname, '..', '..', 'inspect');

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The modules that other packages publish for browsers. */
const LIBRARIES = {
  '/preact.mjs': require.resolve('preact'),
  '/htm.mjs': join(dirname(require.resolve('htm')), 'htm.mjs'),
};

/** `{ type, body }` by path. */
function readAssets() {
  const files = readdirSync(PAGE).map((name) => [`/${name}`, join(PAGE, name)]);
  const read = ([path, file]) => [path, { type: TYPES[extname(file)], body: readFileSync(file) }];
  const assets = new Map([...files, ...Object.entries(LIBRARIES)].map(read));
  assets.set('/', assets.get('/index.html'));
  return assets;
}

module.exports = { readAssets };
