// SPDX-License-Identifier: Apache-2.0
//
// Asks a recorder with the vendors' own clients: node foundry_client.mjs NODE_MODULES URL KEY TOKEN. In this order: chat
// completions and the Responses API by deployment with the key, Messages with the key; then with the token of Entra chat
// completions by deployment and on the v1 route, and Messages.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, url, apiKey, token] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { OpenAI, AzureOpenAI } = require('openai');
const { AnthropicFoundry } = require('@anthropic-ai/foundry-sdk');
const azureADTokenProvider = async () => token;
const chat = { model: 'sim-1', messages: [{ role: 'user', content: 'hi' }] };
const quiet = (promise) => promise.catch(() => undefined);

const byDeployment = { endpoint: url, apiVersion: '2024-10-21', maxRetries: 0 };
const azure = new AzureOpenAI({ ...byDeployment, apiKey });
await quiet(azure.chat.completions.create(chat));
await quiet(azure.responses.create({ model: 'sim-1', input: 'hi' }));
const claude = { baseURL: `${url}/anthropic`, maxRetries: 0 };
await quiet(new AnthropicFoundry({ ...claude, apiKey }).messages.create({ ...chat, max_tokens: 16 }));

await quiet(new AzureOpenAI({ ...byDeployment, azureADTokenProvider }).chat.completions.create(chat));
await quiet(new OpenAI({ apiKey: token, baseURL: `${url}/openai/v1`, maxRetries: 0 }).chat.completions.create(chat));
await quiet(new AnthropicFoundry({ ...claude, azureADTokenProvider }).messages.create({ ...chat, max_tokens: 16 }));
