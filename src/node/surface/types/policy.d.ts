/** A problem with a config. */
export interface MCPConfigIssue {
  /** Names and indexes that lead to the member. */
  path: Array<string | number>
  /** What is wrong there, for people. */
  message: string
}

/**
 * Roles by name, with `MCP_SERVERS.CONFIGURE_OBO` added where a role has `MCP_SERVERS` but not that permission:
 * `true` for `ADMIN`, `false` for all others. What an operator set stays.
 */
export declare function backfillOboPermission(rolePermissions: Record<string, Record<string, Record<string, boolean | undefined>>>): Record<string, Record<string, Record<string, boolean | undefined>>>

/**
 * Whether the author of a stored on-behalf-of config may still configure on-behalf-of. Whatever cannot be found out
 * means no.
 */
export declare function isOboConfigStillTrusted(params: { authorId: string | undefined; getUserRoleByAuthorId: (authorId: string) => Promise<string | null | undefined>; getRolePermissions: (roleName: string) => Promise<Record<string, Record<string, boolean | undefined>> | null | undefined> }): Promise<boolean>
