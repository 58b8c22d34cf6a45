/** A tool call of a server called `srv`, but for its user. */
const ECHO = { serverName: 'srv', toolName: 'echo', toolArguments: { text: 'hi' }, provider: 'openai' };

/** Nobody is there to be asked. */
const oauthStart = () => {
  throw new Error('the user was asked to authorize');
};

async function call(runtime, user, text) {
  const toolCall = { ...ECHO, user, toolArguments: { text }, oauthStart };
  try {
    const answer = JSON.stringify(await runtime.manager.callTool(toolCall));
    return answer.includes(text) ? undefined : { user: user.id, message: `${text} was answered with ${answer}` };
  } catch ({ code, message, retryable }) {
    return { user: user.id, code, message, retryable };
  }
}

/** That many tool calls of a user at once; resolves to what went wrong with them: `{ user, code, message, retryable }`. */
async function callAtOnce(runtime, user, calls) {
  const texts = Array.from({ length: calls }, (_, index) => `call ${index} of ${process.pid}`);
  const outcomes = await Promise.all(texts.map((text) => call(runtime, user, text)));
  return outcomes.filter(Boolean);
}

module.exports = { ECHO, callAtOnce };
