/** What the wiring needs of `@librechat/api`, which is not published: small stand-ins with its names and shapes. */

module.exports = {
  ...require('./access'),
  ...require('./flow-state-manager'),
  ...require('./oauth-session'),
  ...require('./servers-registry'),
};
