import type { MCPHostServices } from '../../index.js';

export const handlers: Pick<MCPHostServices, 'elicitation' | 'onLogMessage'> = {
  elicitation: async (params, { serverName, userId, toolName, signal, requestId }) => {
    signal.throwIfAborted();
    const asked: string | number = requestId;
    const names: (string | undefined)[] = [serverName, userId, toolName];
    return { action: 'decline', params, asked, names };
  },
  // @ts-expect-error: a log message is no request
  onLogMessage: (_, { requestId }) => requestId,
};
