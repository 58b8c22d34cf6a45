/** The latest of what the runtime says of its traffic, for pages that are opened later. */

/** Of each server, and of what is of none: a server that talks much takes no room of the others. */
const MAX_RECORDS = 1000;
/** Of all. A message may be 64 KiB long. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

class Traffic {
  #tell;
  /** `{ records: [{ record, size }], characters }` by the server's name. */
  #servers = new Map();
  #characters = 0;

  /** @param tell  hears of new records, as events for the page */
  constructor(tell) {
    this.#tell = tell;
  }

  /** As an event for the page. */
  get event() {
    const records = [...this.#servers.values()].flatMap((kept) => kept.records.map(({ record }) => record));
    return { type: 'traffic', records };
  }

  /** The host service of this name. */
  onTraffic = (records) => {
    for (const record of records) {
      const kept = this.#of(record.server ?? null);
      const size = JSON.stringify(record).length;
      kept.records.push({ record, size });
      kept.characters += size;
      this.#characters += size;
      if (kept.records.length > MAX_RECORDS) this.#drop(kept);
    }
    while (this.#characters > MAX_CHARACTERS) this.#drop(this.#largest());
    this.#tell({ type: 'traffic', records });
  };

  /** Forgets what the page shows beside a server. */
  clear({ server }) {
    for (const name of [server, null]) {
      this.#characters -= this.#of(name).characters;
      this.#servers.delete(name);
    }
    this.#tell({ type: 'cleared', server });
  }

  #of(server) {
    if (!this.#servers.has(server)) this.#servers.set(server, { records: [], characters: 0 });
    return this.#servers.get(server);
  }

  #largest() {
    return [...this.#servers.values()].reduce((one, other) => (other.characters > one.characters ? other : one));
  }

  #drop(kept) {
    const { size } = kept.records.shift();
    kept.characters -= size;
    this.#characters -= size;
  }
}

module.exports = { Traffic };
