/** What `oauth.grant` of a server says about how its token is got, and what is known of it without asking anybody. */

const { addressOf } = require('./address');
const { isMapping } = require('./config');

/** By the name in the configuration: the type of authorization, and how people call it. */
const GRANTS = {
  client_credentials: { type: 'clientCredentials', title: 'client credentials' },
  workload: { type: 'workload', title: 'workload identity' },
  enterprise: { type: 'enterprise', title: 'enterprise-managed' },
};

/**
 * @returns `{ type, title, reason, isMachine, service }`, `undefined` where users log in. `isMachine`: the token is the
 * program's, not a user's; `service`: the function of a host without which there is none, which the command line lacks
 */
function grantOf(server) {
  const oauth = isMapping(server?.oauth) ? server.oauth : {};
  const grant = Object.hasOwn(GRANTS, oauth.grant) ? GRANTS[oauth.grant] : undefined;
  if (!grant) return undefined;
  const { type, title } = grant;
  const isMachine = type !== 'enterprise';
  return { type, title, isMachine, reason: reasonOf(type, oauth), service: serviceOf(type, oauth) };
}

function reasonOf(type, oauth) {
  const ofClient = oauth.client_id ? [`the client ${oauth.client_id}`] : [];
  const told = {
    clientCredentials: () => ofClient,
    workload: () => [`the assertion of ${assertionOf(oauth)}`, ...ofClient],
    enterprise: () => [`the user's ID token, exchanged at ${providerOf(oauth)}`, ...ofClient],
  }[type]();
  if (oauth.private_key_jwt) told.push('private_key_jwt');
  if (oauth.dpop) told.push('DPoP');
  return told.join(', ');
}

const assertionOf = ({ assertion }) => assertion?.file ?? assertion?.metadata_url ?? 'getWorkloadAssertion';

const providerOf = ({ identity_provider: provider }) => provider?.issuer ?? provider?.token_url ?? 'OPENID_ISSUER';

function serviceOf(type, { assertion, private_key_jwt: key, identity_provider: provider }) {
  const needsKey = (keyed) => isMapping(keyed) && !keyed.key && !keyed.key_file;
  if (type === 'workload' && !assertion) return 'getWorkloadAssertion';
  return needsKey(key) || needsKey(provider?.private_key_jwt) ? 'getClientAssertion' : undefined;
}

/** `host:port` of the metadata service that the assertion comes from. */
function metadataAddressOf(server) {
  return addressOf(server.oauth?.assertion?.metadata_url);
}

module.exports = { grantOf, metadataAddressOf };
