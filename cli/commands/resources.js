/** `resources`: what a server has to read. */

const { connected, limitsOf } = require('../connected');
const { EXIT } = require('../failure');
const { block, clean, counted, paint, print, printJson, progress } = require('../output');

/** What JSON-RPC says of a method that a server does not have; templates are one that many lack. */
const METHOD_NOT_FOUND = -32601;

module.exports = async function resources(name, options) {
  return connected(name, options, async (_, client) => {
    const spinner = progress(`listing the resources of ${clean(name)}`, options);
    const [listed, templates] = await listAll(client, limitsOf(options)).finally(spinner.stop);
    if (options.json) {
      printJson({ version: 1, name, ok: true, resources: listed, resourceTemplates: templates });
      return EXIT.ok;
    }
    for (const resource of listed) show(resource?.uri, resource);
    for (const template of templates) show(template?.uriTemplate, template);
    print(`${counted(listed.length, 'resource')}, ${counted(templates.length, 'template')}`);
    return EXIT.ok;
  });
};

async function listAll(client, limits) {
  await client.connect();
  if (!client.capabilities?.resources) return [[], []];
  const { resources: listed = [] } = await client.listResources({}, limits);
  const templates = await client.listResourceTemplates({}, limits).catch((error) => {
    if (error.code !== METHOD_NOT_FOUND) throw error;
    return {};
  });
  return [listed, templates.resourceTemplates ?? []];
}

function show(uri, about) {
  print(paint.bold(clean(uri)));
  const size = typeof about?.size === 'number' ? counted(about.size, 'byte') : undefined;
  const facts = [about?.title ?? about?.name, about?.mimeType, size].filter((fact) => fact !== undefined);
  if (facts.length > 0) print(`  ${facts.map(clean).join(', ')}`);
  if (about?.description) print(`  ${block(about.description)}`);
}
