// SPDX-License-Identifier: Apache-2.0
//
// Google's own client against a server: node gemini_client.mjs NODE_MODULES BASE_URL [REQUEST]. Prints what it decoded
// as JSON; with a file {"model", "location", "stream", "params"} it only sends that.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, baseUrl, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { GoogleGenAI } = require('@google/genai');
const authClient = { getRequestHeaders: async () => new Headers({ authorization: 'Bearer test-key-not-a-secret' }) };
const clientOf = (location, options) => new GoogleGenAI({
  vertexai: true, project: 'test-project', location, httpOptions: { baseUrl, ...options }, googleAuthOptions: { authClient },
});

async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.constructor.name, status: error.status ?? null, message: error.message };
  }
}

const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const config = {
  systemInstruction: 'Be brief.',
  tools: [{ functionDeclarations: [{ name: 'weather', description: 'Tells the weather', parametersJsonSchema: schema }] }],
};
const user = (text) => [{ role: 'user', parts: [{ text }] }];
const partsOf = (response) => response.candidates?.[0]?.content?.parts ?? [];

async function streamed(client, contents) {
  let pieces = 0;
  let last = {};
  const parts = [];
  for await (const chunk of await client.models.generateContentStream({ model: 'sim-1', contents, config })) {
    pieces += 1;
    parts.push(...partsOf(chunk));
    last = chunk;
  }
  return { pieces, parts, finish: last.candidates?.[0]?.finishReason, usage: last.usageMetadata };
}

async function whole(client, contents) {
  const response = await client.models.generateContent({ model: 'sim-1', contents, config });
  return { parts: partsOf(response), finish: response.candidates?.[0]?.finishReason, usage: response.usageMetadata };
}

// Every part goes back as it came, as the vendor asks.
async function conversation(client, ask) {
  const contents = user('two calls');
  const first = await ask(client, contents);
  contents.push({ role: 'model', parts: first.parts });
  contents.push({ role: 'user', parts: first.parts.filter((part) => part.functionCall).map(({ functionCall }) => ({
    functionResponse: { name: functionCall.name, response: { output: `token: ${functionCall.args.city}-42` } } })) });
  return ask(client, contents);
}

async function withoutSignature(client) {
  const contents = user('two calls');
  const first = await whole(client, contents);
  contents.push({ role: 'model', parts: first.parts.map(({ thoughtSignature, ...part }) => part) });
  contents.push({ role: 'user', parts: first.parts.filter((part) => part.functionCall).map(({ functionCall }) => ({
    functionResponse: { name: functionCall.name, response: { output: 'x' } } })) });
  return whole(client, contents);
}

if (requestPath) {
  const { model, location, stream, version, params } = JSON.parse(readFileSync(requestPath, 'utf8'));
  const { models } = clientOf(location, { apiVersion: version });
  await outcome(() => (stream ? models.generateContentStream({ model, ...params }) : models.generateContent({ model, ...params })));
} else {
  const client = clientOf('us-central1', {});
  const names = [];
  console.log(JSON.stringify({
    models: await outcome(async () => {
      for await (const model of await client.models.list({ config: { queryBase: true } })) names.push(model.name);
      return names;
    }),
    count: await outcome(() => client.models.countTokens({ model: 'sim-1', contents: 'hi' })),
    missing: await outcome(() => client.models.countTokens({ model: 'sim-9', contents: 'hi' })),
    whole: await outcome(() => whole(client, user('hello'))),
    streamed: await outcome(() => streamed(client, user('hello'))),
    calls: await outcome(() => whole(client, user('two calls'))),
    streamedCalls: await outcome(() => streamed(client, user('two calls'))),
    conversation: await outcome(() => conversation(client, whole)),
    streamedConversation: await outcome(() => conversation(client, streamed)),
    unsigned: await outcome(() => withoutSignature(client)),
    limited: await outcome(() => whole(client, user('limited'))),
    inside: await outcome(() => streamed(client, user('inside'))),
    cut: await outcome(() => streamed(client, user('cut'))),
  }));
}
