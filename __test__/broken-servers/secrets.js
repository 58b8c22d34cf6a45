/** What stands in the configuration of the broken servers, and in nothing that is told of them. */

const { registerSecrets } = require('../support/secrets');

const KEY = 'key-of-the-notes';
const WRONG_KEY = 'key-of-somebody';
const CLIENT_SECRET = 'secret-of-the-configuration';
const SECRETS = [KEY, WRONG_KEY, CLIENT_SECRET];
registerSecrets(...SECRETS);

module.exports = { CLIENT_SECRET, KEY, SECRETS, WRONG_KEY };
