import type { ToolSet } from 'ai'
import type { MCPClient } from '../index.js'

/**
 * The tools that a server has for the client's user, for the AI SDK (`ai`, from version 7):
 * `generateText({ tools: await tools(client), … })`. Lists them, and rejects as `client.listTools` does. Tools that are for MCP Apps
 * alone are left out, and such as MCP does not allow.
 *
 * Names that providers do not take (other characters than letters, digits, `_` and `-`, more than 64 of them) are replaced by
 * such as they do. A tool's `output` is the result as the server sent it. Models get its text and images,
 * `structuredContent` where it has no content, and of other content what it is, without its bytes.
 *
 * The `abortSignal` of the AI SDK, which its time-outs use too, ends a call; the server's `timeout` holds besides. A result
 * with `isError` is thrown, as the AI SDK wants it: an `Error` named `MCPToolError` with the text for the model, or else the
 * JSON of its `structuredContent`, and the `result`. So is one with content that is not MCP, with the `code`
 * `MCP_INVALID_RESPONSE`. Other errors have the `code`s of `docs/errors.md`.
 */
export declare function tools(client: MCPClient): Promise<ToolSet>
