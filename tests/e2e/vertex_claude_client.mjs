// SPDX-License-Identifier: Apache-2.0
//
// Anthropic's own client for Vertex against a server: node vertex_claude_client.mjs NODE_MODULES BASE_URL [REQUEST].
// Prints what it decoded as JSON; with a file {"location", "params"} it only sends that.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseURL, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { AnthropicVertex } = require('@anthropic-ai/vertex-sdk');
const authClient = {
  projectId: 'test-project', getRequestHeaders: async () => new Headers({ authorization: 'Bearer test-key-not-a-secret' }),
};
const clientOf = (region) => new AnthropicVertex({ projectId: 'test-project', region, baseURL, authClient, maxRetries: 0 });

async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

const tools = [{ name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } }];
const request = (content) => ({ model: 'sim-1', max_tokens: 64, messages: [{ role: 'user', content }], tools });

if (requestPath) {
  const { location, params } = JSON.parse(readFileSync(requestPath, 'utf8'));
  await outcome(() => clientOf(location).messages.create(params));
} else {
  const client = clientOf('us-east5');
  console.log(JSON.stringify({
    whole: await outcome(() => client.messages.create(request('hello'))),
    streamed: await outcome(() => client.messages.stream(request('hello')).finalMessage()),
    calls: await outcome(() => client.messages.stream(request('two calls')).finalMessage()),
    count: await outcome(() => client.messages.countTokens({ model: 'sim-1', messages: [{ role: 'user', content: 'hi' }] })),
  }));
}
