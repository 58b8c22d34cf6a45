/** What pages are told while they are open: one JSON object a line. */

/**
 * A page that reads no more is let go. It asks again, and begins with how everything is then: all of the traffic that is kept is
 * less than this.
 */
const MAX_UNREAD_BYTES = 32 * 1024 * 1024;

class Feed {
  #pages = new Set();

  /** Begins to tell a page; `first` is how everything is now. */
  open(response, first) {
    this.#pages.add(response);
    response.on('close', () => this.#pages.delete(response));
    for (const event of first) response.write(line(event));
  }

  /** @param event  with a `type` that the page knows */
  tell(event) {
    if (this.#pages.size === 0) return;
    const text = line(event);
    for (const page of this.#pages) {
      if (page.writableLength > MAX_UNREAD_BYTES) page.destroy();
      else page.write(text);
    }
  }
}

const line = (event) => `${JSON.stringify(event)}\n`;

module.exports = { Feed };
