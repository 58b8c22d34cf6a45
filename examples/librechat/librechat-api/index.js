/** What the wiring needs of `@librechat/api`, which is not published: small stand-ins with its names and shapes. */

module.exports = {
  ...require('./access'),
  ...require('./catalog'),
  ...require('./flow-state-manager'),
  ...require('./mcp-user'),
  ...require('./oauth-session'),
  ...require('./servers-of-june'),
  ...require('./servers-registry'),
};
