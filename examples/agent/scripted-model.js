/** Stands in for a model where nobody has an API key. */

const { MockLanguageModelV4 } = require('ai/test');

/** @typedef {import('@ai-sdk/provider').LanguageModelV4GenerateResult} Turn */

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
};

/** @type {(unified: Turn['finishReason']['unified'], content: Turn['content'][0]) => Turn} */
const turn = (unified, content) => ({
  content: [content],
  finishReason: { unified, raw: undefined },
  usage,
  warnings: [],
});

/**
 * A model that calls these tools, one after the other, and then says that it is done.
 *
 * @param {{ toolName: string, input: object }[]} calls
 */
function scriptedModel(calls) {
  const toolCall = (/** @type {typeof calls[0]} */ { toolName, input }, /** @type {number} */ index) =>
    turn('tool-calls', { type: 'tool-call', toolCallId: `call-${index}`, toolName, input: JSON.stringify(input) });
  const doGenerate = [...calls.map(toolCall), turn('stop', { type: 'text', text: 'Done.' })];
  return new MockLanguageModelV4({ doGenerate });
}

module.exports = { scriptedModel };
