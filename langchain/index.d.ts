import type { DynamicStructuredTool } from '@langchain/core/tools'
import type { MCPClient } from '../index.js'

/**
 * The tools that a server has for the client's user, for LangChain (`@langchain/core`, from version 1):
 * `model.bindTools(await tools(client))`. Lists them, and rejects as `client.listTools` does. Tools that are for MCP Apps
 * alone are left out, and such as MCP does not allow.
 *
 * Names that providers do not take (other characters than letters, digits, `_` and `-`, more than 64 of them) are replaced by
 * such as they do. The content of a `ToolMessage` is text, or text and images (`image_url`);
 * `structuredContent` where the result has no content, and of other content what it is, without its bytes. Its `artifact` is
 * the result as the server sent it.
 *
 * `signal` and `timeout` (milliseconds) of the call's config end a call. A result with `isError` is thrown, as LangChain wants
 * it: an `Error` named `MCPToolError` with the text for the model, or else the JSON of its `structuredContent`, and the
 * `result`. So is one with content that is not MCP, with the `code` `MCP_INVALID_RESPONSE`. Other errors have the `code`s of
 * `docs/errors.md`.
 */
export declare function tools(client: MCPClient): Promise<DynamicStructuredTool[]>
