/** Exit codes of all commands. */
const EXIT = {
  ok: 0,
  /** A server, a tool or the user's authorization failed. */
  failed: 1,
  /** The command line or the configuration is wrong. */
  usage: 2,
};

/** A failure that is told without a stack. */
class Failure extends Error {
  /** @param options.exitCode one of `EXIT`; `code` and `hint` as in `hints.js`; `line` of the configuration */
  constructor(message, { exitCode = EXIT.usage, code = 'MCP_INVALID_CONFIG', hint, line } = {}) {
    super(message);
    Object.assign(this, { name: 'Failure', exitCode, code, hint, line });
  }
}

module.exports = { EXIT, Failure };
