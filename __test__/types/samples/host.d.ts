/** What a host has around the programs that the documentation shows. */

type Config = typeof import('../../../examples/librechat/step-2/api/config');
type Example<Path extends 'cache' | 'flows' | 'models' | 'obo' | 'tool-cache'> = {
  cache: typeof import('../../../examples/librechat/shared/cache');
  flows: typeof import('../../../examples/librechat/shared/flows');
  models: typeof import('../../../examples/librechat/shared/models');
  obo: typeof import('../../../examples/librechat/shared/obo');
  'tool-cache': typeof import('../../../examples/librechat/shared/tool-cache');
}[Path];

declare const CacheKeys: typeof import('librechat-data-provider').CacheKeys;
declare const createOboTrustChecker: Example<'obo'>['createOboTrustChecker'];
declare const createToken: Example<'models'>['createToken'];
declare const deleteTokens: Example<'models'>['deleteTokens'];
declare const findToken: Example<'models'>['findToken'];
declare const getFlowStateManager: Example<'flows'>['getFlowStateManager'];
declare const getLogStores: Example<'cache'>['getLogStores'];
declare const getMCPManager: Config['getMCPManager'];
declare const getMCPServersRegistry: Config['getMCPServersRegistry'];
declare const getMCPToolsCacheGeneration: Example<'tool-cache'>['getMCPToolsCacheGeneration'];
declare const getNextAppToolsPublicationRevision: Example<'tool-cache'>['getNextAppToolsPublicationRevision'];
declare const getOpenIdConfig: Example<'obo'>['getOpenIdConfig'];
declare const getTenantId: typeof import('@librechat/data-schemas').getTenantId;
declare const logger: Config['logger'];
declare const updateMCPServerTools: Example<'tool-cache'>['updateMCPServerTools'];
declare const updateToken: Example<'models'>['updateToken'];

declare const app: any;
declare const askUser: (userId: string | undefined, message: string, signal: AbortSignal) => Promise<import('../../../index').ElicitResult>;
declare const certificatePem: string;
declare const client: import('../../../index').MCPClient;
declare const createMCPRuntime: typeof import('../../../index').createMCPRuntime;
declare const exchangedTokens: import('../../../index').MCPTokenCache;
declare const flowManager: ReturnType<typeof getFlowStateManager>;
declare const host: import('../../../index').MCPHostServices;
declare const lock: import('../../../index').MCPHostServices['lock'];
declare const privateKeyPem: string;
declare const randomUUID: typeof import('node:crypto').randomUUID;
declare const redis: import('@redis/client').RedisClientType;
declare const runtime: import('../../../index').MCPRuntime;
declare const test: (name: string, run: () => Promise<void>) => void;
declare const tokenMethods: Required<Pick<Example<'models'>, 'createToken' | 'deleteTokens' | 'findToken' | 'updateToken'>>;

/** Not installed here. */
declare module '@opentelemetry/api';

/** What LibreChat's alias for its folder `api/` leads to, and its package that is not published. */
declare module '~/*';
declare module '@librechat/api';
