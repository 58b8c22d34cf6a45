/**
 * Has a model of the AI SDK call tools, and writes what it was offered and told. A process of its own, since the AI SDK is
 * ESM, which jest does not load.
 */

const { generateText, isStepCount } = require('ai');
const { tools } = require('../../ai-sdk');
const { scriptedModel } = require('../../examples/agent/scripted-model');
const { createMCPRuntime } = require('../support/addon');

const { server, allow, calls, timeout } = JSON.parse(process.argv[2]);

async function main() {
  const runtime = createMCPRuntime({ config: { mcpServers: { server }, mcpSettings: { allowedAddresses: [allow] } } });
  const client = runtime.client('server', { user: { id: 'alice' } });
  const model = scriptedModel(calls);
  const stopWhen = isStepCount(calls.length + 1);
  const { text, steps } = await generateText({ model, tools: await tools(client), prompt: 'Go', stopWhen, timeout });
  const { tools: offered, prompt } = model.doGenerateCalls.at(-1);
  const told = prompt.filter(({ role }) => role === 'tool').flatMap(({ content }) => content);
  const outputs = steps.flatMap(({ toolResults }) => toolResults.map(({ output }) => output));
  const errors = steps.flatMap(({ content }) => content.filter(({ type }) => type === 'tool-error'));
  const caught = errors.map(({ error: { name, message, code, result } }) => ({ name, message, code, result }));
  process.stdout.write(JSON.stringify({ text, offered, told: told.map(({ output }) => output), outputs, caught }));
  await runtime.close();
}

main();
