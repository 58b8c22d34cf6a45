import type { AuditRecord, MCPHostServices } from '../../index.js';

const records: AuditRecord[] = [];

export const services: Pick<MCPHostServices, 'onAudit' | 'onToolCall' | 'onToolResult'>[] = [
  {
    onToolCall: async ({ toolName, arguments: given, userId, tenantId, signal, resumed }) => {
      signal.throwIfAborted();
      if (resumed) return undefined;
      if (userId === undefined) return { refuse: `${toolName} of ${tenantId ?? 'nobody'}` };
      return { arguments: { ...given, n: 1 }, weight: 2 };
    },
    onToolResult: ({ isError, bytes, result }) => {
      if (isError) return true;
      return bytes > 100 ? { refuse: 'too much' } : { result: { ...result, content: [] } };
    },
    onAudit: (record) => {
      if (record.event === 'call' && record.decision === 'refused') records.push(record);
      else if (record.event === 'tools-changed') return record.tools.map(({ name }) => name);
      return undefined;
    },
  },
  { onToolCall: () => {}, onToolResult: () => {}, onAudit: async () => {} },
  // @ts-expect-error: a typing error refuses nobody
  { onToolCall: () => ({ refuses: 'no' }) },
  // @ts-expect-error: `false` means nothing
  { onToolCall: () => false },
  // @ts-expect-error: a result has content
  { onToolResult: () => ({ result: {} }) },
  // @ts-expect-error: an item says what it is
  { onToolResult: () => ({ result: { content: [{}] } }) },
  // @ts-expect-error: an object says something
  { onToolCall: () => ({}) },
  { onToolCall: () => ({ weight: 2 }), onToolResult: () => ({ result: { content: [{ type: 'text', text: 'a' }] } }) },
  { onToolResult: ({ result }) => ({ result: { content: result.content.slice(0, 1) } }) },
];

/** As LibreChat has it: `appConfig.mcpSettings`. */
interface HostSettings {
  allowedDomains?: string[];
  allowedAddresses?: string[];
}
declare const mcpSettings: HostSettings | undefined;

export const settings: Pick<MCPHostServices, 'mcpSettings'>[] = [
  { mcpSettings },
  { mcpSettings: () => mcpSettings },
  { mcpSettings: { allowedDomains: [], pinTools: 'warn' } },
  // @ts-expect-error: a misspelt member would be a rule that does not hold
  { mcpSettings: { pinTool: 'warn' } },
];
