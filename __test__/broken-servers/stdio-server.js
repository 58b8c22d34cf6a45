/** Servers over stdio as people write them: node stdio-server.js KIND */

const { setTimeout: delay } = require('node:timers/promises');
/** The protocol is loaded last: what a server says before is not to wait for it. */
function start() {
  const { StdioServerTransport } = require('@modelcontextprotocol/sdk/server/stdio.js');
  const { createProtocolServer } = require('../support/mcp-server');
  return createProtocolServer({}).connect(new StdioServerTransport());
}

const KINDS = {
  async crash() {
    throw new Error('cannot open the database /var/lib/notes.db');
  },
  async 'crash-without-a-word'() {
    process.exit(1);
  },
  async 'missing-variable'() {
    if (process.env.NOTES_API_TOKEN) return start();
    console.error('Error: NOTES_API_TOKEN environment variable is required');
    return process.exit(1);
  },
  /** As a program with a logger does that writes to stdout. */
  async banner() {
    console.log('Notes MCP server 1.0.0 is running on stdio');
    return start();
  },
  /** As a program that logs on stdout and speaks no MCP. */
  async chatter() {
    console.log('Usage: notes [--mcp] FILE');
    process.stdin.resume();
  },
  /** As one that reads everything there is before it answers. */
  async 'reads-to-the-end'() {
    for await (const chunk of process.stdin) void chunk;
    return start();
  },
  async slow() {
    console.error('Loading the index (this may take some minutes)');
    await delay(600_000);
    return start();
  },
};

KINDS[process.argv[2]]();
