import type { DynamicStructuredTool } from '@langchain/core/tools';
import { generateText, type LanguageModel, type ToolSet } from 'ai';
import { tools as aiTools } from '../../../ai-sdk/index.js';
import type { MCPClient } from '../../../index.js';
import { tools as langchainTools } from '../../../langchain/index.js';

export async function answer(client: MCPClient, model: LanguageModel): Promise<string> {
  const tools: ToolSet = await aiTools(client);
  return (await generateText({ model, tools, prompt: 'Hello' })).text;
}

export const toolsOf = (client: MCPClient): Promise<DynamicStructuredTool[]> => langchainTools(client);

// @ts-expect-error: whose tools?
aiTools();
// @ts-expect-error: a name is no client
langchainTools('everything');
