// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own client against a server: node anthropic_client.mjs NODE_MODULES BASE_URL [REQUEST]. Prints what it
// decoded as JSON; with a file of a request it only sends that, streamed.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseURL, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const Anthropic = require('@anthropic-ai/sdk').default;
const client = new Anthropic({ apiKey: 'test-key-not-a-secret', baseURL, maxRetries: 0 });

const tools = [{
  name: 'weather',
  description: 'Tells the weather',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
}];

async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

const ask = (content) => client.messages.create({
  model: 'sim-1', max_tokens: 64, messages: [{ role: 'user', content }], tools,
});

async function streamed(content) {
  const stream = client.messages.stream({
    model: 'sim-1', max_tokens: 64, messages: [{ role: 'user', content }], tools,
  });
  let pieces = 0;
  for await (const event of stream) pieces += event.type === 'content_block_delta';
  return { pieces, ...await stream.finalMessage() };
}

async function wholeConversation() {
  const messages = [{ role: 'user', content: 'two calls' }];
  const first = await client.messages.create({ model: 'sim-1', max_tokens: 64, messages, tools });
  messages.push({ role: 'assistant', content: first.content });
  messages.push({ role: 'user', content: first.content.filter((block) => block.type === 'tool_use').map((block) => ({
    type: 'tool_result', tool_use_id: block.id, content: `token: ${block.input.city}-42` })) });
  const second = await client.messages.create({ model: 'sim-1', max_tokens: 64, messages, tools });
  return second.content;
}

if (requestPath) {
  const request = JSON.parse(readFileSync(requestPath, 'utf8'));
  await outcome(() => client.messages.create(request));
} else {
  const models = [];
  console.log(JSON.stringify({
    models: await outcome(async () => { for await (const model of client.models.list()) models.push(model.id); return models; }),
    whole: await outcome(() => ask('hello')),
    streamed: await outcome(() => streamed('hello')),
    calls: await outcome(() => ask('two calls')),
    streamedCalls: await outcome(() => streamed('two calls')),
    conversation: await outcome(wholeConversation),
    limited: await outcome(() => ask('limited')),
    overloaded: await outcome(() => ask('overloaded')),
    inside: await outcome(() => streamed('inside')),
    cut: await outcome(() => streamed('cut')),
  }));
}
