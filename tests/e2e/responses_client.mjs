// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own client over the Responses wire: node responses_client.mjs NODE_MODULES BASE_URL. It reads a stream and
// a whole answer, sends what it got back with the results of the calls, and prints what it decoded as JSON.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseURL] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const OpenAI = require('openai').default;
const client = new OpenAI({ apiKey: 'test-key-not-a-secret', baseURL, maxRetries: 0 });
const common = { model: 'sim-1', store: false, include: ['reasoning.encrypted_content'],
  tools: [{ type: 'function', name: 'weather', parameters: { type: 'object' }, strict: false }] };

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
