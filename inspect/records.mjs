/** What is kept of the traffic: the latest records of each server, and those of none, by the server's name. */

/** Of each server. */
const MAX_RECORDS = 1000;

export function withRecords(kept, records) {
  const next = new Map(kept);
  for (const [server, added] of Map.groupBy(records, ({ server }) => server ?? null)) {
    next.set(server, [...(kept.get(server) ?? []), ...added].slice(-MAX_RECORDS));
  }
  return next;
}

/** Those of a server, and those of none: an exchange for a user, or a gap. */
export function recordsOf(kept, server) {
  const all = [...(kept.get(server) ?? []), ...(kept.get(null) ?? [])];
  return all.sort((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
}
