const { InMemoryTaskMessageQueue } = require('@modelcontextprotocol/sdk/experimental/tasks');
const { ElicitResultSchema, CreateMessageResultSchema } = require('@modelcontextprotocol/sdk/types.js');
const { TaskStore } = require('../../__test__/support/task-store');
const { TOOLS, numberedTools } = require('../../__test__/support/tools');
const { delay } = require('../../__test__/support/wait');

const MIB = 1024 * 1024;
const TASK_MS = 50;
/** What users subscribe to. */
const RESOURCE = 'file:///notes.txt';

const tool = (name, members) => ({ name, inputSchema: { type: 'object' }, ...members });
/** `hidden` is denied by an operator's rule. */
const tools = [
  ...TOOLS,
  ...['large', 'slow', 'steps', 'ask', 'bearer', 'hidden'].map((name) => tool(name)),
  tool('dig', { execution: { taskSupport: 'required' } }),
  ...numberedTools(27),
];
const CAPABILITIES = {
  tools: {},
  logging: {},
  resources: { subscribe: true },
  tasks: { cancel: {}, requests: { tools: { call: {} } } },
};

const QUESTION = {
  method: 'elicitation/create',
  params: { message: 'Who are you?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
};
const SAMPLE = {
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: 'Who?' } }], maxTokens: 10 },
};

/** Bounded, for clients that are killed. */
const untilCancelled = (signal) =>
  Promise.race([delay(30_000), new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))]);

/** What the tools do that are no echo: the text of their result. */
const WORK = {
  large: ({ mib }) => 'x'.repeat(mib * MIB),
  slow: (_, { signal }) => untilCancelled(signal),
  bearer: (_, { requestInfo }) => requestInfo.headers.authorization,

  async steps(_, { _meta, sendNotification }) {
    for (let progress = 1; progress <= 3; progress += 1) {
      const params = { progressToken: _meta?.progressToken, progress };
      if (_meta?.progressToken !== undefined) await sendNotification({ method: 'notifications/progress', params });
      await sendNotification({ method: 'notifications/message', params: { level: 'info', data: progress } });
    }
    return 'done';
  },

  /** Who the host says that its user is, and its model. */
  async ask(_, { sendRequest }) {
    const { content } = await sendRequest(QUESTION, ElicitResultSchema);
    const answer = await sendRequest(SAMPLE, CreateMessageResultSchema);
    return `${content.name} ${answer.content.text}`;
  },
};

const textResult = (text) => ({ content: [{ type: 'text', text: String(text) }] });

async function callTool({ name, arguments: args, task }, extra) {
  if (!task) return textResult(WORK[name] ? await WORK[name](args, extra) : args.text);
  const created = await extra.taskStore.createTask({ ttl: task.ttl, pollInterval: 100 });
  finish(created.taskId, args, extra.taskStore).catch(() => {});
  return { task: created };
}

/** A task that was cancelled meanwhile takes no result. */
async function finish(taskId, { text }, store) {
  await delay(TASK_MS);
  await store.storeTaskResult(taskId, 'completed', textResult(text));
}

/**
 * What a server process offers, as the options of `createProtocolServer`.
 *
 * @param edition  how it describes `changing`, another tool
 */
const createProtocol = (edition) => ({
  tools: [...tools, tool('changing', { description: `Edition ${edition}` })],
  capabilities: CAPABILITIES,
  tasks: { taskStore: new TaskStore(), taskMessageQueue: new InMemoryTaskMessageQueue() },
  callTool,
});

/** How many tools a user sees, `changing` included. */
const SHOWN = tools.length;

module.exports = { MIB, RESOURCE, SHOWN, createProtocol };
