const { execFileSync } = require('node:child_process');
const EventEmitter = require('node:events');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const ts = require('typescript');
const { useFixtures } = require('./support/fixtures');
const { createUser } = require('./support/host');

const TSC = require.resolve('typescript/bin/tsc');
const OPTIONS = ['--strict', '--noEmit', '--target', 'es2022', '--module', 'nodenext'];
const DECLARATIONS = join(__dirname, '..', 'index.d.ts');

const fixtures = useFixtures();

test('programs in TypeScript may make, extend and test the error classes', () => {
  const program = join(__dirname, 'types', 'errors.ts');
  expect(execFileSync(process.execPath, [TSC, ...OPTIONS, program], { encoding: 'utf8' })).toBe('');
});

test.each(['index.d.ts', 'redis/index.d.ts', 'testing/index.d.ts', 'ai-sdk/index.d.ts', 'langchain/index.d.ts'])(
  'nothing is `any` in %s',
  (path) => {
    const file = ts.createSourceFile(
      path,
      readFileSync(join(__dirname, '..', path), 'utf8'),
      ts.ScriptTarget.Latest,
      true,
    );
    const found = [];
    const visit = (node) => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(node.parent.getText());
      ts.forEachChild(node, visit);
    };
    visit(file);
    expect(file.statements.length).toBeGreaterThan(0);
    expect(found).toEqual([]);
  },
);

/** Reads members from `index.d.ts`: of an interface, or, for `MCPConnection.client`, of the object that is its member. */
function readDeclarations() {
  const program = ts.createProgram([DECLARATIONS], { noLib: true });
  const checker = program.getTypeChecker();
  const file = checker.getSymbolAtLocation(program.getSourceFile(DECLARATIONS));
  const exported = checker.getExportsOfModule(file);
  const interfaceOf = (name) =>
    checker.getDeclaredTypeOfSymbol(
      exported.find((symbol) => symbol.name === name && symbol.flags & ts.SymbolFlags.Interface),
    );
  return (path) => {
    const [name, ...members] = path.split('.');
    const memberOf = (type, member) => checker.getTypeOfSymbol(checker.getPropertyOfType(type, member));
    return checker.getPropertiesOfType(members.reduce(memberOf, interfaceOf(name))).map((symbol) => ({
      name: symbol.name,
      optional: Boolean(symbol.flags & ts.SymbolFlags.Optional),
      callable: checker.getTypeOfSymbol(symbol).getCallSignatures().length > 0,
    }));
  };
}

test('objects of a runtime have the members that the types name, and no others', async () => {
  const server = await fixtures.server();
  const { runtime } = fixtures.runtime({ servers: { srv: server.config({ startup: false }) }, allow: [server] });
  const { manager, oauth, tokens, MCPManager, MCPConnection, OAuthReconnectionManager } = runtime;
  const connection = await manager.getConnection({ serverName: 'srv', user: createUser() });
  const live = {
    MCPRuntime: runtime,
    'MCPRuntime.MCPManager': MCPManager,
    'MCPRuntime.MCPConnection': MCPConnection,
    'MCPRuntime.OAuthReconnectionManager': OAuthReconnectionManager,
    MCPRuntimeStats: runtime.stats(),
    MCPManager: manager,
    MCPAppConnections: manager.appConnections,
    MCPCatalogRecoveryTracker: manager.getCatalogRecoveryTracker(),
    MCPConnection: connection,
    'MCPConnection.client': connection.client,
    MCPOAuth: oauth,
    MCPTokens: tokens,
    OAuthReconnectionManager: await OAuthReconnectionManager.createInstance({}, {}),
  };
  const ofEmitters = Object.keys(new EventEmitter());
  const declaredOf = readDeclarations();

  for (const [path, object] of Object.entries(live)) {
    const declared = declaredOf(path);
    const wanted = declared.filter(({ optional }) => !optional);
    const lacking = wanted.filter(({ name }) => !(name in object)).map(({ name }) => name);
    const uncallable = wanted.filter(({ name, callable }) => callable && typeof object[name] !== 'function');
    const names = new Set(declared.map(({ name }) => name));
    const undeclared = Object.keys(object).filter((name) => !names.has(name) && !ofEmitters.includes(name));
    expect(wanted).not.toEqual([]);
    expect({ path, lacking, uncallable, undeclared }).toEqual({ path, lacking: [], uncallable: [], undeclared: [] });
  }
});
