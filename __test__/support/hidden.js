const Module = require('node:module');

/** Has packages in this process as if they were not installed. */
function hidePackages(names) {
  const { _load } = Module;
  Module._load = (request, ...rest) => {
    if (!names.includes(request)) return _load(request, ...rest);
    throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' });
  };
}

module.exports = { hidePackages };
