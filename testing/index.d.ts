import type { MCPFlowManager, MCPHostServices, MCPLimits, MCPSessionStore, MCPTokenCache, MCPTokenMethods, MCPToolPins } from '../index.js'

/** An implementation that is to be tested. What is left out is not tested. */
export interface ContractServices {
  /** Locks that processes share. */
  lock?: MCPHostServices['lock']
  /** Flows; leases (`acquireLease`, `getLeaseGeneration`) and `completeFlowIfCurrent`, `failFlowIfCurrent` where it has them. */
  flowManager?: MCPFlowManager
  /** The cache of exchanged tokens. */
  exchangedTokens?: MCPTokenCache
  /** Rows of stored tokens. When an expired one is gone is not tested: MongoDB takes a minute. */
  tokenMethods?: MCPTokenMethods
  /** Sessions that processes share. */
  sharedSessions?: MCPSessionStore
  /** What processes count together; rates and places (`take`, `enter`, `leave`) where it has them. */
  limits?: MCPLimits
  /** Which tools are approved. */
  toolPins?: MCPToolPins
  /** The same services as another process has them: over a connection of its own, say. Else there is one process. */
  anotherProcess?: Omit<ContractServices, 'anotherProcess'>
}

/** One rule of the contract. */
export interface ContractTest {
  /** The service, and the rule in a sentence. */
  name: string
  /**
   * Rejects with an error whose message begins with the rule that was broken, which is also its `rule`, and says what was
   * seen instead. Mostly takes milliseconds; the store may be in use, since names are fresh ones.
   */
  run: () => Promise<void>
}

/**
 * Tests of what the runtime counts on from services that processes share, for any implementation and any test runner:
 * `for (const { name, run } of contractTests(services)) test(name, run)`.
 */
export declare function contractTests(services: ContractServices): ContractTest[]
