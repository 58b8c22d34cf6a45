const { channel } = require('node:diagnostics_channel');

const ended = channel('librechat-mcp-native:tool-call');

/** What the hooks do to calls of these tools. */
const HOOKED = { refused: 'tool_0', rewritten: 'tool_1', replaced: 'tool_2' };
const REPLACEMENT = 'by the host';

/**
 * Compares what callers see of their tool calls with what hooks, audit and events are told of them: of each call there is one
 * record and one event, with the outcome that its caller saw; a hook is asked once, and about nothing that has no record.
 */
function createLedger() {
  /** By call as a text: how often callers saw it, less how often it was told. */
  const audit = new Map();
  const events = new Map();
  /** By the id of a call: how often each hook was asked about it. */
  const asked = new Map();
  let wrong = [];
  let records = 0;

  const add = (balance, parts, by) => {
    const text = parts.join(' ');
    const sum = (balance.get(text) ?? 0) + by;
    if (sum === 0) balance.delete(text);
    else balance.set(text, sum);
  };

  const ask = (callId, hook) => {
    const times = asked.get(callId) ?? { onToolCall: 0, onToolResult: 0 };
    times[hook] += 1;
    asked.set(callId, times);
  };

  const hear = ({ serverName, toolName, outcome }) => add(events, [serverName, toolName, outcome], -1);
  ended.subscribe(hear);

  const saw = (user, serverName, toolName, outcome) => {
    add(audit, [user.id, serverName, toolName, outcome], 1);
    add(events, [serverName, toolName, outcome], 1);
  };

  return {
    services: {
      onToolCall({ callId, toolName, arguments: args }) {
        ask(callId, 'onToolCall');
        if (toolName === HOOKED.refused) return { refuse: 'Nobody may do that.' };
        if (toolName === HOOKED.rewritten) return { arguments: { ...args, text: REPLACEMENT } };
        return true;
      },

      onToolResult({ callId, toolName }) {
        ask(callId, 'onToolResult');
        if (toolName === HOOKED.replaced) return { result: { content: [{ type: 'text', text: REPLACEMENT }] } };
        return true;
      },

      onAudit({ event, callId, userId, serverName, toolName, outcome }) {
        if (event !== 'call') return;
        records += 1;
        add(audit, [userId, serverName, toolName, outcome], -1);
        const { onToolCall = 0, onToolResult = 0 } = asked.get(callId) ?? {};
        asked.delete(callId);
        const isDone = outcome === 'ok' && (onToolCall !== 1 || onToolResult !== 1);
        if (isDone || onToolCall > 1 || onToolResult > 1) {
          wrong.push(`hooks were asked ${onToolCall} and ${onToolResult} times: ${serverName} ${toolName} ${outcome}`);
        }
      },
    },

    records: () => records,

    /** A tool call, which is compared. */
    async call(user, serverName, toolName, work) {
      try {
        const result = await work();
        saw(user, serverName, toolName, 'ok');
        return result;
      } catch (error) {
        saw(user, serverName, toolName, error.mcpCode ?? error.code);
        throw error;
      }
    },

    /** What is wrong when no call is under way, as texts; what follows is compared anew. */
    settle() {
      const texts = (what, balance) => [...balance].map(([call, by]) => `${what}, ${-by} too many: ${call}`);
      const found = [...wrong, ...texts('records of the audit', audit), ...texts('events', events)];
      if (asked.size > 0) found.push(`hooks were asked about ${asked.size} calls without a record`);
      for (const each of [audit, events, asked]) each.clear();
      wrong = [];
      return found;
    },

    close: () => ended.unsubscribe(hear),
  };
}

module.exports = { HOOKED, REPLACEMENT, createLedger };
