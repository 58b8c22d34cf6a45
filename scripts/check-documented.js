/**
 * Lists what `index.d.ts` exports without documentation: declarations, and members of interfaces and classes. A member
 * whose type is one value, such as `code: 'MCP_INSPECTION_FAILED'`, says all there is to say.
 *
 *   npm run lint:types
 */

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const ts = require('typescript');
const { ROOT } = require('./addon-path');

const FILE = join(ROOT, 'index.d.ts');

function undocumented() {
  const source = ts.createSourceFile(FILE, readFileSync(FILE, 'utf8'), ts.ScriptTarget.Latest, true);
  const isDocumented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;
  const missing = [];
  for (const statement of source.statements) {
    const name = statement.name?.text ?? statement.declarationList?.declarations[0].name.text;
    if (name === undefined) continue;
    if (!isDocumented(statement)) missing.push(name);
    for (const member of statement.members ?? []) {
      const isConstant = member.type && ts.isLiteralTypeNode(member.type);
      if (member.name && !isConstant && !isDocumented(member)) missing.push(`${name}.${member.name.getText()}`);
    }
  }
  return missing;
}

const missing = undocumented();
if (missing.length > 0) {
  console.error(`index.d.ts: ${missing.length} items are not documented:\n${missing.join('\n')}`);
  process.exitCode = 1;
}
