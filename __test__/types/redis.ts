import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import type { MCPHostServices, MCPRuntime, MCPServersRegistry } from '../../index.js';
import { type RedisServices, redisServices } from '../../redis/index.js';
import { type ContractTest, contractTests } from '../../testing/index.js';

export const services: RedisServices[] = [
  redisServices(new Redis()),
  redisServices(new Cluster(['redis://127.0.0.1:7000'])),
  redisServices(createClient(), { prefix: 'LibreChat::' }),
  redisServices(createClientPool()),
  redisServices(createCluster({ rootNodes: [{ url: 'redis://127.0.0.1:7000' }] })),
  redisServices(createSentinel({ name: 'master', sentinelRootNodes: [{ host: '127.0.0.1', port: 26379 }] })),
];

export const host: Pick<MCPHostServices, 'lock' | 'flowManager' | 'exchangedTokens' | 'tokenMethods'> = { ...services[0] };

export async function status({ flowManager }: RedisServices): Promise<'PENDING' | 'COMPLETED' | 'FAILED' | undefined> {
  return (await flowManager.getFlowState('user:server', 'mcp_oauth'))?.status;
}

export const tests: ContractTest[] = contractTests({ ...services[0], anotherProcess: services[1] });
contractTests({ sharedSessions: services[0]?.sharedSessions, limits: services[0]?.limits });
contractTests({ lock: services[0]?.lock, tokenMethods: services[0]?.tokenMethods, exchangedTokens: new Map<string, string>() });

export async function listens({ sharedSessions, limits }: RedisServices): Promise<boolean> {
  if ((await limits.count('["breaker-failures","user","server"]', 1000)) > 3) await limits.block('["breaker","user","server"]', 1000);
  const left: number = await limits.blockedFor('["breaker","user","server"]');
  const wait: number = await limits.take('["user-calls","user","server"]', 60, 60_000);
  const hasPlace: boolean = wait === 0 && (await limits.enter('["server-calls","","server"]', 'holder', 8, 15_000));
  if (hasPlace) await limits.leave('["server-calls","","server"]', 'holder');
  return left === 0 && sharedSessions.compareAndSet('["session-stream","user","server","digest"]', undefined, 'process', 1000);
}

export async function pins({ toolPins }: RedisServices, { manager }: MCPRuntime): Promise<string[]> {
  const record: string | undefined = await toolPins.get('["","server",""]');
  await toolPins.compareAndSet('["","server",""]', record, '{}');
  const waiting = (await manager.getToolPins({ serverName: 'server' })).filter(({ state }) => state !== 'approved');
  const tools = waiting.map(({ name, hash }) => ({ name, hash }));
  return (await manager.approveTools({ serverName: 'server', tools: ['one', ...tools], approvedBy: 'me' })).map(({ name }) => name);
}

// @ts-expect-error: not a client
redisServices(new Map());
// @ts-expect-error: no option
redisServices(new Redis(), { timeoutMs: 1 });
// @ts-expect-error: no service
contractTests({ locks: {} });

export const embedded: MCPHostServices = { config: 'librechat.yaml', redis: 'rediss://redis.example.com' };
declare const registry: MCPServersRegistry;
export const bare: MCPHostServices = { registry };
// @ts-expect-error: a host with a registry gives the services of its Redis
export const beside: MCPHostServices = { registry, redis: 'rediss://redis.example.com' };
