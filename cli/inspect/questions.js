/** What servers ask of users: each question stands on the page until somebody answers it, or nobody waits any more. */

const { fault } = require('./fault');

const MAX_ROOTS = 100;

class Questions {
  #tell;
  #open = new Map();
  #roots = [];
  #count = 0;

  /** @param tell  hears of changes, as events for the page */
  constructor(tell) {
    this.#tell = tell;
  }

  /** The host services that answer servers. */
  get services() {
    return {
      elicitation: (params, peer) => this.#ask('elicitation', params, peer),
      sampling: { handler: (params, peer) => this.#ask('sampling', params, peer), tools: true, context: true },
      // Servers ask for these at any time; somebody who had to answer each time would hold them up.
      roots: () => ({ roots: this.#roots }),
    };
  }

  /** As an event for the page. */
  get event() {
    const questions = [...this.#open.values()].map(({ question }) => question);
    return { type: 'questions', questions, roots: this.#roots };
  }

  /** @param answer  what the server gets; `null`: that there is no answer */
  answer({ id, answer }) {
    const open = this.#open.get(id);
    if (!open) throw fault(409, 'nobody waits for this answer any more');
    if (answer === null) open.reject(new Error('The user gave no answer'));
    else open.resolve(answer);
    this.#close(id);
  }

  /** @param roots  `[{ uri, name }]` */
  setRoots({ roots }) {
    if (!Array.isArray(roots) || roots.length > MAX_ROOTS) {
      throw fault(400, `expected at most ${MAX_ROOTS} roots`);
    }
    this.#roots = roots;
    this.#tell(this.event);
  }

  async #ask(kind, params, { serverName, toolName, signal }) {
    signal.throwIfAborted();
    const id = ++this.#count;
    const question = { id, kind, server: serverName, tool: toolName, params, at: Date.now() };
    return new Promise((resolve, reject) => {
      this.#open.set(id, { question, resolve, reject });
      signal.addEventListener('abort', () => {
        reject(signal.reason);
        this.#close(id);
      });
      this.#tell(this.event);
    });
  }

  #close(id) {
    if (this.#open.delete(id)) this.#tell(this.event);
  }
}

module.exports = { Questions };
