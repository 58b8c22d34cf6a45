/** What has begun in a trace and has not ended yet: a bounded number of it, since answers may never come. */

class Open {
  #entries = new Map();
  #most;
  #dropped;

  /**
   * @param options.most     more than these are not kept
   * @param options.dropped  called with what gives way: the oldest one, or one that has begun again
   */
  constructor({ most = 10_000, dropped = () => {} } = {}) {
    this.#most = most;
    this.#dropped = dropped;
  }

  begin(key, value) {
    const before = this.end(key);
    if (before !== undefined) this.#dropped(before);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    const [oldest, left] = this.#entries.entries().next().value;
    this.#entries.delete(oldest);
    this.#dropped(left);
  }

  get(key) {
    return this.#entries.get(key);
  }

  /** What began so, which is forgotten; `undefined` where nothing did. */
  end(key) {
    const value = this.#entries.get(key);
    this.#entries.delete(key);
    return value;
  }

  values() {
    return this.#entries.values();
  }
}

module.exports = { Open };
