/** The text of a file that grows, as `tail -F` reads it. */

const { open, stat } = require('node:fs/promises');
const { StringDecoder } = require('node:string_decoder');
const { setTimeout: delay } = require('node:timers/promises');
const { unreadable } = require('../config');

/** How often a file that has ended is looked at. */
const LOOK_MS = 200;
/** Whoever writes looks once a second whether the file is still the one of its name, and writes to the other one till then. */
const LATE_MS = 2000;
const PIECE = 64 * 1024;

/**
 * From the beginning, until `signal` is aborted. A file that is not there yet is waited for; one that was put in the place of
 * another is read after that, and one that was emptied from its new beginning.
 *
 * @yields pieces of the text
 */
async function* followed(file, { signal, hint }) {
  let current;
  try {
    while (!signal.aborted) {
      current ??= await opened(file);
      const text = current && (await current.more());
      if (text) {
        yield text;
        continue;
      }
      if (current && (await current.isLeft(file))) {
        await current.close();
        current = undefined;
        // What was not ended never will be.
        yield '\n';
        continue;
      }
      await delay(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    throw unreadable(file, error, hint);
  } finally {
    await current?.close();
  }
}

async function opened(file) {
  try {
    const handle = await open(file);
    return new Growing(handle, await handle.stat());
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

class Growing {
  #position = 0;
  #decoder = new StringDecoder('utf8');
  #buffer = Buffer.alloc(PIECE);
  #leftAt;

  constructor(handle, { dev, ino }) {
    this.handle = handle;
    Object.assign(this, { dev, ino });
  }

  /** What has come; empty where nothing has. */
  async more() {
    const { size } = await this.handle.stat();
    const isCut = size < this.#position;
    if (isCut) {
      this.#position = 0;
      this.#decoder = new StringDecoder('utf8');
    }
    const { bytesRead } = await this.handle.read(this.#buffer, 0, PIECE, this.#position);
    this.#position += bytesRead;
    return (isCut ? '\n' : '') + this.#decoder.write(this.#buffer.subarray(0, bytesRead));
  }

  /** Whether the name leads to another file, and has for a while. */
  async isLeft(file) {
    const there = await stat(file).catch(() => undefined);
    const isOther = there !== undefined && (there.dev !== this.dev || there.ino !== this.ino);
    this.#leftAt = isOther ? (this.#leftAt ?? Date.now()) : undefined;
    return isOther && Date.now() - this.#leftAt >= LATE_MS;
  }

  close() {
    return this.handle.close();
  }
}

module.exports = { followed };
