/** The latest of what the runtime says of its traffic, for pages that are opened later. */

const MAX_RECORDS = 1000;
/** A message may be 64 KiB long. */
const MAX_CHARACTERS = 16 * 1024 * 1024;

class Traffic {
  #tell;
  #records = [];
  #characters = 0;

  /** @param tell  hears of new records, as events for the page */
  constructor(tell) {
    this.#tell = tell;
  }

  /** As an event for the page. */
  get event() {
    return { type: 'traffic', records: this.#records.map(({ record }) => record) };
  }

  /** The host service of this name. */
  onTraffic = (records) => {
    for (const record of records) {
      const size = JSON.stringify(record).length;
      this.#records.push({ record, size });
      this.#characters += size;
    }
    while (this.#records.length > MAX_RECORDS || this.#characters > MAX_CHARACTERS) {
      this.#characters -= this.#records.shift().size;
    }
    this.#tell({ type: 'traffic', records });
  };
}

module.exports = { Traffic };
