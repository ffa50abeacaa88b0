// SPDX-License-Identifier: Apache-2.0
//
// Asks a recorder with the vendors' own clients: node azure_client.mjs NODE_MODULES URL. In this order: chat completions
// and the Responses API by deployment, chat completions on the v1 route, Messages, and a deployment with a token of Entra.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, url] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { AzureOpenAI } = require('openai');
const { AnthropicFoundry } = require('@anthropic-ai/foundry-sdk');
const apiKey = 'test-key-not-a-secret';
const chat = { model: 'sim-1', messages: [{ role: 'user', content: 'hi' }] };
const quiet = (promise) => promise.catch(() => undefined);

const common = { apiVersion: '2024-10-21', maxRetries: 0 };
const azure = new AzureOpenAI({ ...common, apiKey, endpoint: url });
await quiet(azure.chat.completions.create(chat));
await quiet(azure.responses.create({ model: 'sim-1', input: 'hi' }));
const v1 = new AzureOpenAI({ ...common, apiKey, baseURL: `${url}/openai/v1/` });
v1.buildRequest = Object.getPrototypeOf(AzureOpenAI.prototype).buildRequest; // no deployment in the path of v1
v1._options.defaultQuery = undefined;
await quiet(v1.chat.completions.create(chat));
const claude = new AnthropicFoundry({ apiKey, baseURL: `${url}/anthropic`, maxRetries: 0 });
await quiet(claude.messages.create({ ...chat, max_tokens: 16 }));
const entra = new AzureOpenAI({ ...common, azureADTokenProvider: async () => 'test-token-not-a-secret', endpoint: url });
await quiet(entra.chat.completions.create(chat));
