/**
 * An agent of many users, without LibreChat: one runtime, a client for each user, and a model that calls the server's tools.
 * With `AI_GATEWAY_API_KEY` the model is a real one.
 *
 *   npm run example:agent
 */

const { generateText, isStepCount } = require('ai');
const { createMCPRuntime } = require('../..');
const { tools } = require('../../ai-sdk');
const { scriptedModel } = require('./scripted-model');

const everything = { command: 'npx', args: ['mcp-server-everything'], stderr: /** @type {const} */ ('ignore') };

/** @param {string} name */
const modelFor = (name) =>
  process.env.AI_GATEWAY_API_KEY
    ? (process.env.MODEL ?? 'openai/gpt-5')
    : scriptedModel([
        { toolName: 'echo', input: { message: `Hello, ${name}` } },
        { toolName: 'get-sum', input: { a: name.length, b: 1 } },
      ]);

/** @typedef {{ runtime: import('../..').MCPRuntime, name: string, model: import('ai').LanguageModel, abortSignal: AbortSignal }} Question */

/** Answers one user's question. @param {Question} question */
async function answer({ runtime, name, model, abortSignal }) {
  const client = runtime.client('everything', { user: { id: name } });
  const { text, steps } = await generateText({
    model,
    tools: await tools(client),
    prompt: `Greet ${name} with a tool, then add 1 to the number of letters of that name.`,
    stopWhen: isStepCount(5),
    timeout: 60_000,
    abortSignal,
  });
  for (const { toolName, output } of steps.flatMap(({ toolResults }) => toolResults)) {
    console.log(`${name}: ${toolName}: ${/** @type {any} */ (output).content[0].text}`);
  }
  console.log(`${name}: ${text}`);
}

async function main() {
  const runtime = createMCPRuntime({ config: { mcpServers: { everything } } });
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  try {
    const ask = (/** @type {string} */ name) =>
      answer({ runtime, name, model: modelFor(name), abortSignal: stop.signal });
    await Promise.all(['alice', 'bob'].map(ask));
  } finally {
    await runtime.close();
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
