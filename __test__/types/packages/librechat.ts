import type { MCPOptions, TUser } from 'librechat-data-provider';
import { createMCPRuntime, type MCPClient, type MCPRuntime, type MCPServerConfig, processMCPEnv } from '../../../index.js';

export function serve(options: MCPOptions): MCPRuntime {
  const server: MCPServerConfig = options;
  const url: string | undefined = processMCPEnv({ options, user: { id: 'alice' } }).url;
  return createMCPRuntime({ config: { mcpServers: { server }, mcpSettings: { allowedDomains: url ? [url] : null } } });
}

export const clientOf = (runtime: MCPRuntime, user: TUser): MCPClient => runtime.client('server', { user });
