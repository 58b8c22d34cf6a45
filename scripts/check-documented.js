/**
 * Lists what the package's types export without documentation: declarations, and members of interfaces and classes. A
 * member whose type is one value, such as `code: 'MCP_INSPECTION_FAILED'`, says all there is to say. The types of MCP are
 * the specification's.
 *
 *   npm run lint:types
 */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const ts = require('typescript');
const { ROOT } = require('./addon-path');
const { BEGIN, END } = require('./protocol-types');

const FILES = ['index.d.ts', 'redis/index.d.ts', 'testing/index.d.ts', 'ai-sdk/index.d.ts', 'langchain/index.d.ts'];

function undocumented(file) {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const [before, after] = [text.split(BEGIN)[0], text.split(END)[1] ?? ''];
  const source = ts.createSourceFile(file, before + after, ts.ScriptTarget.Latest, true);
  const isDocumented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;
  const missing = [];
  for (const statement of source.statements) {
    const name = statement.name?.text ?? statement.declarationList?.declarations[0].name.text;
    if (name === undefined) continue;
    if (!isDocumented(statement)) missing.push(`${file}: ${name}`);
    for (const member of statement.members ?? []) {
      const isConstant = member.type && ts.isLiteralTypeNode(member.type);
      if (member.name && !isConstant && !isDocumented(member))
        missing.push(`${file}: ${name}.${member.name.getText()}`);
    }
  }
  return missing;
}

const missing = FILES.flatMap(undocumented);
if (missing.length > 0) {
  console.error(`${missing.length} items are not documented:\n${missing.join('\n')}`);
  process.exitCode = 1;
}
