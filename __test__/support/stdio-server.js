/** The small server over stdio: node stdio-server.js PID_FILE */

const { appendFileSync } = require('node:fs');
const { StdioServerTransport } = require('@modelcontextprotocol/sdk/server/stdio.js');
const { createProtocolServer } = require('./mcp-server');

appendFileSync(process.argv[2], `${process.pid}\n`);
createProtocolServer({}).connect(new StdioServerTransport());
