/** What the user of the commands would have set in LibreChat: values for `customUserVars`, by server. */

const { isMapping, readYaml, serverOf } = require('./config');
const { Failure } = require('./failure');

/**
 * Reads the file that `--user-vars` names: a mapping from servers to mappings from variables to texts. What is wrong is
 * told without the values.
 *
 * @param [file]  without it nobody has set anything
 * @param config  of `readConfig`
 * @returns `{ file, of(name) }`: the values for a server, by the variable's name
 */
function readUserVars(file, config) {
  if (file === undefined) return { file, of: () => ({}) };
  const { document, lineOf } = readYaml(file, {
    hint: 'Name a YAML file with the values: --user-vars path/to/file.yaml',
    isSecret: true,
  });
  const wrong = (path, problem, hint) => {
    const line = lineOf(path);
    const where = path.length > 0 ? `${path.join('.')} ` : '';
    return new Failure(`${file}:${line}: ${where}${problem}`, { line, hint });
  };
  if (!isMapping(document)) throw wrong([], 'expected servers with their variables');
  for (const [name, values] of Object.entries(document)) {
    const declared = Object.keys(serverOf(config, name).customUserVars ?? {});
    if (!isMapping(values)) throw wrong([name], 'must be a mapping from variables to values');
    for (const [variable, value] of Object.entries(values)) {
      if (!declared.includes(variable)) {
        const hint = `Variables of this server: ${declared.join(', ') || 'none'}.`;
        throw wrong([name, variable], `is not among the customUserVars of the server in ${config.file}`, hint);
      }
      if (typeof value !== 'string') throw wrong([name, variable], 'must be a text', 'Put it into quotes.');
    }
  }
  return { file, of: (name) => (Object.hasOwn(document, name) ? document[name] : {}) };
}

module.exports = { readUserVars };
