import type { MCPHostServices, MCPHostServicesBase, MCPSamplingHandler } from '../../index.js';

export const handlers: Pick<MCPHostServices, 'elicitation' | 'onElicitationComplete' | 'onLogMessage'> = {
  elicitation: async (params, { serverName, userId, toolName, signal, requestId }) => {
    signal.throwIfAborted();
    const asked: string | number = params.mode === 'url' ? (params.elicitationId ?? requestId) : requestId;
    const names: (string | undefined)[] = [serverName, userId, toolName];
    return { action: 'decline', params, asked, names };
  },
  onElicitationComplete: ({ elicitationId }, { userId }) => [elicitationId, userId],
  // @ts-expect-error: a log message is no request
  onLogMessage: (_, { requestId }) => requestId,
};

const handler: MCPSamplingHandler = ({ messages: [first] }, { signal }) => {
  signal.throwIfAborted();
  return { role: 'assistant', model: 'm', content: first?.content ?? [] };
};

export const told: MCPHostServicesBase[] = [
  { sampling: handler, clientInfo: { name: 'agents', version: '1' } },
  { sampling: { handler, tools: true }, extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } } },
  { traceContext: () => ({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }), traceHeaders: true },
  { traceContext: () => undefined },
  // @ts-expect-error: an object without a function
  { sampling: { tools: true } },
  // @ts-expect-error: a client has a version
  { clientInfo: { name: 'agents' } },
];
