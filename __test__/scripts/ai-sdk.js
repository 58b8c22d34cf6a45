/**
 * Has a model of the AI SDK call tools, and writes what it was offered and told. A process of its own, since the AI SDK is
 * ESM, which jest does not load.
 */

const { convertToModelMessages, generateText, isStepCount } = require('ai');
const { tools } = require('../../ai-sdk');
const { scriptedModel } = require('../../examples/agent/scripted-model');
const { createMCPRuntime } = require('../support/addon');

const { server, allow, calls, timeout } = JSON.parse(process.argv[2]);

async function main() {
  const runtime = createMCPRuntime({ config: { mcpServers: { server }, mcpSettings: { allowedAddresses: [allow] } } });
  const client = runtime.client('server', { user: { id: 'alice' } });
  const model = scriptedModel(calls);
  const stopWhen = isStepCount(calls.length + 1);
  const offer = await tools(client);
  const { text, steps } = await generateText({ model, tools: offer, prompt: 'Go', stopWhen, timeout });
  const { tools: offered, prompt } = model.doGenerateCalls.at(-1);
  const told = prompt.filter(({ role }) => role === 'tool').flatMap(({ content }) => content);
  const outputs = steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output));
  const errors = steps.flatMap(({ content }) => content.filter(({ type }) => type === 'tool-error'));
  const caught = errors.map(({ error: { name, message, code, result } }) => ({ name, message, code, result }));
  // What a browser sends back of a conversation is its own.
  const parts = ['odd', { content: [null] }, { other: 1 }].map((output, index) => {
    const call = { toolCallId: String(index), state: 'output-available', input: {}, output };
    return { type: 'dynamic-tool', toolName: 'echo', ...call };
  });
  const [, { content }] = await convertToModelMessages([{ role: 'assistant', parts }], { tools: offer });
  const replayed = content.map(({ output }) => output);
  const said = { text, offered, told: told.map(({ output }) => output), outputs, caught };
  process.stdout.write(JSON.stringify({ ...said, replayed }));
  await runtime.close();
}

main();
