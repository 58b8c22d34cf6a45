/** The operator's rules for tools, as `validate` looks at them beyond the schema: what is misspelt or has no effect. */

const RULES = ['tools', 'pinTools', 'limits', 'maxResultBytes', 'overflow'];
/** Letters that may be other, too many or missing in what is meant for a rule. */
const MOST_WRONG = 2;

/**
 * Warnings of `mcpSettings` and of all servers.
 *
 * @param known(name)  the members that the schema knows of a server's configuration
 * @returns `{ path, message }` of each
 */
function doubtfulRules({ document, servers }, known) {
  const settings = document.mcpSettings ?? {};
  const all = Object.entries(servers).filter(([, server]) => server !== null && typeof server === 'object');
  const bounded = [settings, ...all.map(([, server]) => server)].some(hasBound);
  return [
    ...doubtsOf(settings, ['mcpSettings'], bounded),
    ...all.flatMap(([name, server]) =>
      doubtsOf(server, ['mcpServers', name], hasBound(settings) || hasBound(server), known(name)),
    ),
  ];
}

const hasBound = ({ maxResultBytes }) => maxResultBytes !== undefined && maxResultBytes !== null;

function doubtsOf(members, base, isBounded, known = []) {
  const doubts = Object.keys(members).flatMap((member) => {
    const meant = known.includes(member) ? undefined : meantBy(member);
    return meant ? [[[member], `is not known, and has no effect: did you mean ${meant}?`]] : [];
  });
  if (members.overflow && !isBounded) doubts.push([['overflow'], 'has no effect without maxResultBytes']);
  const limits = Object.entries(members.limits ?? {}).filter(([, limit]) => limit !== null);
  if (limits.length === 1 && limits[0][0] === 'queue') {
    doubts.push([['limits', 'queue'], 'has no effect without a limit that calls wait for']);
  }
  return doubts.map(([path, message]) => ({ path: [...base, ...path], message }));
}

/** The rule that a member is meant for, which is none itself. */
function meantBy(member) {
  if (RULES.includes(member)) return undefined;
  const word = member.toLowerCase();
  return RULES.find((rule) => {
    const name = rule.toLowerCase();
    // `toolPins`, as the host's service is called, has the letters of `pinTools`.
    return distance(word, name) <= MOST_WRONG || lettersOf(word) === lettersOf(name);
  });
}

const lettersOf = (word) => [...word].sort().join('');

/** How many letters are to be changed, put in or left out to make one word of the other. */
function distance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let at = 1; at <= one.length; at++) {
    const next = [at];
    for (let index = 1; index <= other.length; index++) {
      const changed = row[index - 1] + (one[at - 1] === other[index - 1] ? 0 : 1);
      next.push(Math.min(changed, row[index] + 1, next[index - 1] + 1));
    }
    row = next;
  }
  return row[other.length];
}

module.exports = { RULES, doubtfulRules };
