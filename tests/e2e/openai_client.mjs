// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own client against a server: node openai_client.mjs NODE_MODULES BASE_URL. Prints what it decoded as JSON.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseURL] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const OpenAI = require('openai').default;
const client = new OpenAI({ apiKey: 'test-key-not-a-secret', baseURL, maxRetries: 0 });

const tools = [{
  type: 'function',
  function: {
    name: 'weather',
    description: 'Tells the weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}];

async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

const ask = (content, more = {}) => client.chat.completions.create({
  model: 'sim-1', messages: [{ role: 'user', content }], tools, ...more,
});

async function streamed(content) {
  const runner = client.chat.completions.stream({
    model: 'sim-1', messages: [{ role: 'user', content }], tools, stream_options: { include_usage: true },
  });
  let pieces = 0;
  for await (const chunk of runner) pieces += chunk.choices.length;
  const completion = await runner.finalChatCompletion();
  return { pieces, message: completion.choices[0].message, finish: completion.choices[0].finish_reason,
    usage: completion.usage };
}

async function wholeConversation() {
  const messages = [{ role: 'user', content: 'two calls' }];
  const first = await client.chat.completions.create({ model: 'sim-1', messages, tools });
  messages.push(first.choices[0].message);
  for (const call of first.choices[0].message.tool_calls) {
    messages.push({ role: 'tool', tool_call_id: call.id, content: `token: ${JSON.parse(call.function.arguments).city}-42` });
  }
  const second = await client.chat.completions.create({ model: 'sim-1', messages, tools });
  return second.choices[0].message.content;
}

const models = [];
const result = {
  models: await outcome(async () => { for await (const model of client.models.list()) models.push(model.id); return models; }),
  whole: await outcome(async () => { const r = await ask('hello'); return { message: r.choices[0].message, finish: r.choices[0].finish_reason, usage: r.usage }; }),
  streamed: await outcome(() => streamed('hello')),
  calls: await outcome(async () => (await ask('two calls')).choices[0]),
  streamedCalls: await outcome(() => streamed('two calls')),
  conversation: await outcome(wholeConversation),
  limited: await outcome(() => ask('limited')),
  broken: await outcome(() => ask('broken')),
  inside: await outcome(() => streamed('inside')),
  cut: await outcome(() => streamed('cut')),
};
console.log(JSON.stringify(result));
