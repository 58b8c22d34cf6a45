/**
 * The types of MCP that the types of this package speak of, from the specification's schema as the TypeScript SDK has it,
 * for `scripts/join-types.js`.
 */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const ts = require('typescript');
const { ROOT } = require('./addon-path');

/** What stands between these lines is documented as the specification has it. */
const BEGIN = '// The types of the Model Context Protocol begin here';
const END = '// The types of the Model Context Protocol end here';

const SDK = '@modelcontextprotocol/sdk';
/** What the package's own types name; what these need comes along. */
const ROOTS = [
  'CallToolResult',
  'CompleteRequestParams',
  'CompleteResult',
  'CreateMessageRequestParams',
  'CreateMessageResult',
  'ElicitRequestParams',
  'ElicitResult',
  'GetPromptRequestParams',
  'GetPromptResult',
  'Implementation',
  'ListPromptsResult',
  'ListResourceTemplatesResult',
  'ListResourcesResult',
  'ListRootsResult',
  'ListToolsResult',
  'LoggingLevel',
  'LoggingMessageNotificationParams',
  'PaginatedRequestParams',
  'ReadResourceRequestParams',
  'ReadResourceResult',
  'ResourceUpdatedNotificationParams',
  'ServerCapabilities',
];

/**
 * Members as 2026-07-28 has them, where they are wider than in the SDK's schema, which is of 2025-11-25: what comes from servers
 * of either revision comes through as it is. The packages of the SDK's version 2 have no schema in TypeScript.
 */
const WIDER = {
  CallToolResult: {
    structuredContent: `/** The structured result of the tool call: any JSON value, up to 2025-11-25 an object. */
    structuredContent?: unknown;`,
  },
  ElicitRequestURLParams: {
    elicitationId: `/** The ID of the elicitation, to be treated as an opaque value. Since 2026-07-28 there is none. */
    elicitationId?: string;`,
  },
  Tool: {
    outputSchema: `/**
     * JSON Schema of \`structuredContent\` of a CallToolResult, up to 2025-11-25 with \`type: "object"\` at the root level.
     *
     * Defaults to JSON Schema 2020-12 when no explicit $schema is provided.
     */
    outputSchema?: {
        $schema?: string;
        [key: string]: unknown;
    };`,
  },
  ToolResultContent: {
    structuredContent: `/** A structured result: any JSON value, up to 2025-11-25 an object. It SHOULD conform to the tool's outputSchema. */
    structuredContent?: unknown;`,
  },
};

/** A declaration as it stands in the schema, with what is wider. */
function textOf(statement) {
  let text = statement.getFullText();
  for (const [name, wider] of Object.entries(WIDER[statement.name.text] ?? {})) {
    const member = statement.members.find((it) => it.name?.text === name);
    if (!member) throw new Error(`${SDK} has no ${name} in ${statement.name.text}`);
    text = text.replace(member.getFullText().trimStart(), () => wider);
  }
  return text;
}

/** Comments without what only the specification's own site has a use for. */
const readable = (text) =>
  text
    .replace(/^\/\*\* @\w+ .*\*\/\n/gm, '')
    .replace(/^ *\* @(category|internal|format)\b.*\n/gm, '')
    .replace(/\{@link (?:[^|}]*\|)?([^}]*)\}/g, (_, shown) => `\`${shown.trim()}\``)
    .replace(/\]\(\/specification\//g, '](https://modelcontextprotocol.io/specification/')
    .replace(/( *\*\n)+( *\*\/)/g, '$2');

function protocolTypes() {
  const directory = join(ROOT, 'node_modules', SDK);
  const { version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  const file = join(directory, 'dist', 'esm', 'spec.types.d.ts');
  const schema = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const declared = new Map(schema.statements.filter((it) => it.name).map((it) => [it.name.text, it]));
  const wanted = new Set(ROOTS);
  // A set goes on to what is added while it is gone through.
  for (const name of wanted) {
    const visit = (node) => {
      if (ts.isIdentifier(node) && declared.has(node.text)) wanted.add(node.text);
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(declared.get(name), visit);
  }
  const parts = [...declared].filter(([name]) => wanted.has(name));
  const texts = parts.map(([, statement]) => readable(textOf(statement).trim()));
  const source = `${SDK} ${version}, ${license} License, Copyright (c) 2024 Anthropic, PBC`;
  return [`${BEGIN}: ${source}`, ...texts, `${END}\n`].join('\n\n');
}

module.exports = { BEGIN, END, protocolTypes };
