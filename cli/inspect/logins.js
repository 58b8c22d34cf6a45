/** Logins of the user at servers: each goes on until it is over or cancelled, whichever pages are open meanwhile. */

const { serverOf } = require('../config');
const { endLogin, forgetLogin, storedLogin } = require('../stored');
const { refreshLogin } = require('./refresh');

class Logins {
  #context;
  #hooks;
  /** By server: what ends the login that is under way. */
  #underWay = new Map();

  /**
   * @param hooks.client(name, how)    a client of the server
   * @param hooks.connect(name)        connects anew; what comes of it stands in the server's state
   * @param hooks.told(name, error)    the error as the page shows it
   * @param hooks.tell(name, login)    the login, as the server's state has it
   */
  constructor(context, hooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** Has the user log in: the address is told as soon as it is known, and what came of it when it is over. */
  async begin({ server: name }) {
    serverOf(this.#context.config, name);
    if (this.#underWay.has(name)) return;
    const { client, connect, told, tell } = this.#hooks;
    const abort = new AbortController();
    const since = Date.now();
    this.#underWay.set(name, abort);
    let isAsked = false;
    const oauthStart = (url) => {
      isAsked = true;
      tell(name, { state: 'waiting', since, url });
    };
    tell(name, { state: 'discovering', since });
    try {
      await client(name, { oauthStart }).connect({ signal: abort.signal });
      const isLoggedIn = isAsked || Boolean(await storedLogin(this.#context, name));
      tell(name, { state: isLoggedIn ? 'done' : 'needless', since });
      await connect(name);
    } catch (error) {
      const failed = { state: 'failed', error: told(name, error) };
      tell(name, { since, ...(abort.signal.aborted ? await this.#cancelled(name, isAsked) : failed) });
    } finally {
      this.#underWay.delete(name);
    }
  }

  /**
   * With its flow the `state` is gone: nobody waits for what an address that was opened before leads to. Tokens that were there
   * go as well; the user was asked because the server does not take them.
   */
  async #cancelled(name, isAsked) {
    try {
      if (isAsked) await forgetLogin(this.#context, name);
      return { state: 'cancelled' };
    } catch (error) {
      return { state: 'failed', error: this.#hooks.told(name, error) };
    }
  }

  /** Gives up the login that is under way. */
  cancel({ server: name }) {
    this.#underWay.get(name)?.abort();
  }

  /** Refreshes the tokens of a login: `{}`, or `{ error }`. */
  async refresh({ server: name }) {
    serverOf(this.#context.config, name);
    try {
      await refreshLogin(this.#context, name);
      return {};
    } catch (error) {
      return { error: this.#hooks.told(name, error) };
    }
  }

  /** Revokes the tokens where that can be asked for, and forgets them: `{ wasLoggedIn, revoked, error }`. */
  async end({ server: name }) {
    serverOf(this.#context.config, name);
    this.cancel({ server: name });
    const { error, ...ended } = await endLogin(this.#context, name);
    this.#hooks.tell(name, undefined);
    await this.#hooks.connect(name);
    return { ...ended, error: error && this.#hooks.told(name, error) };
  }
}

module.exports = { Logins };
