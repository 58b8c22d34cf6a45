/** What looks like a variable in a server's configuration, and stays as it is written. LibreChat says nothing of it. */

const { isMapping } = require('./config');

/** Texts for people: `${` in them may be meant. */
const PROSE = new Set(['title', 'description', 'serverInstructions', 'customUserVars']);
/** Members whose texts get variables of the environment and placeholders, at any depth, and those that get variables alone. */
const OF_BOTH = new Set(['url', 'args', 'env', 'headers', 'requestHeaders', 'oauth_headers', 'oauth']);
const OF_VARIABLES = new Set(['proxy', 'tls', 'apiKey']);

const VARIABLE = /\$\{([^}]+)\}/g;
/** A text that begins and ends so is one variable, whatever stands between, lines excepted. */
const ONE_VARIABLE = /^\$\{(.+)\}$/;
const PLACEHOLDER = /\{\{((?:(?!\{\{).)*?)\}\}/g;

/** What placeholders of LibreChat's own may name, as `src/server_config/` has it. */
const OWN = [
  'LIBRECHAT_USER_(ID|NAME|USERNAME|EMAIL|PROVIDER|ROLE|(GOOGLE|FACEBOOK|OPENID|SAML|LDAP|GITHUB|DISCORD|APPLE)ID' +
    '|EMAILVERIFIED|TWOFACTORENABLED|TERMSACCEPTED|TERMSACCEPTEDAT)',
  'LIBRECHAT_BODY_(CONVERSATIONID|PARENTMESSAGEID|MESSAGEID)',
  'LIBRECHAT_OPENID_(TOKEN|ACCESS_TOKEN|ID_TOKEN|USER_ID|USER_EMAIL|USER_NAME|EXPIRES_AT)',
  'LIBRECHAT_GRAPH_ACCESS_TOKEN',
];
const OWN_PLACEHOLDER = new RegExp(`^(${OWN.join('|')})$`);

/**
 * @param api     of this package
 * @param server  a server's configuration
 * @returns `{ path, message }` of each; a message has the names of variables, and neither values nor what stands between
 */
function unexpandedIn(api, server) {
  const declared = Object.keys(server?.customUserVars ?? {});
  return textsOf(isMapping(server) ? server : {}, []).flatMap(({ path, text }) => {
    const [member] = path;
    if (PROSE.has(member)) return [];
    const places = OF_BOTH.has(member) || OF_VARIABLES.has(member);
    const kept = [
      ...(places ? variablesIn(api, text.trim()) : variablesElsewhere(member, text)),
      ...placeholdersIn(text, declared, takesPlaceholders(server, path)),
    ];
    return kept.map(([what, why]) => ({ path, message: `keeps ${what} as written: ${why}` }));
  });
}

/** Names of environment variables that a server's configuration needs and that are not set. */
function missingVariables(server) {
  const filled = Object.entries(server).filter(([member]) => OF_BOTH.has(member) || OF_VARIABLES.has(member));
  const texts = JSON.stringify(filled);
  const names = [...texts.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]);
  return [...new Set(names)].filter((name) => process.env[name] === undefined);
}

/** Why a server cannot be started or asked as it is written, in the form of `unexpandedIn`. */
const keptWhereItMatters = (api, server) =>
  unexpandedIn(api, server).find(({ path: [member] }) => ['command', 'cwd', 'obo'].includes(member));

function textsOf(value, path) {
  if (typeof value === 'string') return [{ path, text: value }];
  if (!isMapping(value) && !Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => textsOf(member, [...path, name]));
}

const variablesElsewhere = (member, text) =>
  [...text.matchAll(VARIABLE)].map(([whole]) => [whole, `no variable is filled in in \`${member}\``]);

/** What stays, each with the reason. */
function variablesIn(api, text) {
  const found = [...text.matchAll(VARIABLE)];
  if (found.length > 1 && ONE_VARIABLE.test(text)) {
    const why =
      'what begins with ${ and ends with } is taken for one variable, as in LibreChat: put all of it into one';
    return [[found.map(([whole]) => whole).join(' and '), why]];
  }
  const [expanded] = api.processMCPEnv({ options: { args: [text] } }).args;
  return found
    .filter(([whole, name]) => expanded.includes(whole) && reasonOf(name))
    .map(([whole, name]) => [whole, reasonOf(name)]);
}

/** One that is not set is told of elsewhere. */
function reasonOf(name) {
  if (!/^\w+$/.test(name)) return 'no variable is called so; there are no defaults, and no spaces';
  if (process.env[name] === undefined) return undefined;
  if (process.env[name] === '') return 'the variable is empty';
  return "it is a secret of LibreChat's own, which no server gets";
}

/** Placeholders are for what connects a user; deeper in `oauth` is what proves the program itself. */
function takesPlaceholders(server, [member, ...rest]) {
  const isMachine = ['client_credentials', 'workload'].includes(server.oauth?.grant);
  if (member === 'oauth') return rest.length === 1 && !isMachine;
  return OF_BOTH.has(member) && !(member === 'url' && isMachine);
}

function placeholdersIn(text, declared, isPlace) {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([whole, name]) => {
    if (!isPlace) return [[whole, 'no placeholder is filled in here']];
    if (declared.includes(name) || OWN_PLACEHOLDER.test(name)) return [];
    return [
      [
        whole,
        name.startsWith('LIBRECHAT_') ? 'LibreChat has no such placeholder' : 'it is not among the customUserVars',
      ],
    ];
  });
}

module.exports = { keptWhereItMatters, missingVariables, unexpandedIn };
