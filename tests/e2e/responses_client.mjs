// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own client over the Responses wire: node responses_client.mjs NODE_MODULES BASE_URL [REQUEST]. It reads a
// stream and a whole answer, sends what it got back with the results of the calls, and prints what it decoded as JSON.
// With a file of the last request of a conversation it has that conversation, with the same results of calls, by itself.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseURL, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const OpenAI = require('openai').default;
const client = new OpenAI({ apiKey: 'test-key-not-a-secret', baseURL, maxRetries: 0 });
const common = { model: 'sim-1', store: false, include: ['reasoning.encrypted_content'],
  tools: [{ type: 'function', name: 'weather', parameters: { type: 'object' }, strict: false }] };

// What comes back of an answer: its items as they are, reasoning without what the service gives it for keeping.
function echoed({ id, status, parsed_arguments, content, ...item }) {
  if (item.type === 'reasoning') return item;
  const rest = { id, status, ...item };
  return content ? { ...rest, content: content.map(({ parsed, ...part }) => part) } : rest;
}

async function haveConversation({ input: items, ...settings }) {
  const results = new Map(items.filter((item) => item.type === 'function_call_output').map((item) => [item.call_id, item]));
  const conversation = items.slice(0, items.findIndex((item) => item.role !== 'user'));
  while (true) {
    const { output } = await client.responses.stream({ ...settings, input: conversation }).finalResponse();
    if (conversation.length >= items.length) return;
    conversation.push(...output.map(echoed));
    conversation.push(...output.filter((item) => item.type === 'function_call').map((item) => results.get(item.call_id)));
  }
}

if (requestPath) {
  await haveConversation(JSON.parse(readFileSync(requestPath, 'utf8')));
  process.exit(0);
}

const input = [{ role: 'user', content: 'two calls' }];
const streamed = await client.responses.stream({ ...common, input }).finalResponse();
const whole = await client.responses.create({ ...common, input });
for (const { id, ...item } of streamed.output) input.push(item.type === 'reasoning' ? item : { id, ...item });
for (const item of streamed.output) {
  if (item.type === 'function_call') input.push({ type: 'function_call_output', call_id: item.call_id, output: 'token: blue' });
}
const second = await client.responses.create({ ...common, input: input.map(({ parsed_arguments, ...item }) => item) });
const limited = await client.responses.create({ ...common, input: 'limited' }).catch((error) => error);
console.log(JSON.stringify({ streamed, whole, second: second.output_text, limited: limited.status }));
