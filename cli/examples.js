/** What the help of each command shows, after `npx librechat-mcp-native`. */
const EXAMPLES = {
  check: [
    'check',
    'check github linear --json',
    'check https://mcp.example.com/mcp',
    'check -- npx -y some-mcp-server',
  ],
  tools: ['tools github', 'tools https://mcp.example.com/mcp --json', 'tools github --pins'],
  approve: ['approve github', 'approve github create_issue --yes'],
  call: [
    'call everything echo message=Hello',
    'call everything get-sum \'{"a":1,"b":2}\' --json',
    'call everything get-sum - < arguments.json',
    'call everything get-tiny-image --save images/',
  ],
  resources: ['resources everything'],
  read: ['read everything demo://resource/static/document/features.md', 'read everything demo://logo --save logo.png'],
  prompts: ['prompts everything'],
  get: ['get everything args-prompt city=Paris'],
  login: ['login linear', 'login linear --port 8765   # ssh -L 8765:127.0.0.1:8765 …', 'login linear --paste'],
  logout: ['logout linear', 'logout https://mcp.example.com/mcp'],
  tokens: ['tokens', 'tokens linear --json'],
  obo: ['obo orders < token.txt'],
  inspect: ['inspect', 'inspect https://mcp.example.com/mcp', 'inspect -- npx -y some-mcp-server'],
  validate: ['validate', 'validate path/to/librechat.yaml'],
  trace: ['trace trace.ndjson', 'trace trace.ndjson --server linear', 'trace trace.ndjson --har trace.har'],
  audit: ['audit audit.ndjson', 'audit --follow --server github', 'audit audit.ndjson --refused --json'],
  completion: ['completion bash >> ~/.bashrc', 'completion zsh > ~/.zfunc/_librechat-mcp-native'],
};

/** A text to stand below the options; empty where there is none. */
function examplesOf(command) {
  const lines = (EXAMPLES[command] ?? []).map((example) => `  npx librechat-mcp-native ${example}`);
  return lines.length > 0 ? `\nExamples:\n${lines.join('\n')}` : '';
}

module.exports = { EXAMPLES, examplesOf };
