/** `read`: what a resource has in it. */

const { connected, limitsOf } = require('../connected');
const { render, save } = require('../content');
const { EXIT } = require('../failure');
const { block, clean, print, printJson, progress } = require('../output');

module.exports = async function read(name, uri, options) {
  return connected(name, options, async (_, client, { list }) => {
    const spinner = progress(`reading ${clean(uri)}`, options);
    const result = await client
      .readResource({ uri }, limitsOf(options))
      .catch((error) => {
        const isRefused = typeof error.code === 'number' && error.mcpCode === 'MCP_SERVER_ERROR';
        throw Object.assign(error, isRefused && { hint: `What there is to read: ${list}` });
      })
      .finally(spinner.stop);
    const contents = [result?.contents ?? []].flat();
    if (options.json) printJson({ version: 1, name, ok: true, contents });
    // Lines of the text are its own; what a terminal would obey is not.
    else if (!options.save) for (const item of contents) print(block(render(item), ''));
    if (options.save) save(contents, options.save);
    return EXIT.ok;
  });
};
