// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own client against a server: node bedrock_client.mjs NODE_MODULES BASE_URL [REQUEST]. Prints what it
// decoded as JSON; with a file of a request it only sends that: {"modelId", "streamed", "body"}.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, endpoint, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const {
  BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand,
} = require('@aws-sdk/client-bedrock-runtime');
const { NodeHttpHandler } = require('@smithy/node-http-handler');
const client = new BedrockRuntimeClient({
  region: 'us-east-1', endpoint, maxAttempts: 1, requestHandler: new NodeHttpHandler(),
  credentials: { accessKeyId: 'test-id', secretAccessKey: 'test-key-not-a-secret' },
});

const toolConfig = { tools: [{ toolSpec: {
  name: 'weather',
  description: 'Tells the weather',
  inputSchema: { json: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } },
} }] };

async function outcome(work) {
  try {
    return await work();
  } catch (error) {
    return { error: error.name, status: error.$metadata?.httpStatusCode ?? null, message: error.message };
  }
}

const request = (messages) => ({ modelId: 'sim-1:0', messages, toolConfig, inferenceConfig: { maxTokens: 64 } });
const user = (text) => [{ role: 'user', content: [{ text }] }];

async function whole(messages) {
  const answer = await client.send(new ConverseCommand(request(messages)));
  return { content: answer.output.message.content, stopReason: answer.stopReason, usage: answer.usage };
}

async function streamed(messages) {
  const answer = await client.send(new ConverseStreamCommand(request(messages)));
  const content = [];
  const result = { pieces: 0, content };
  for await (const event of answer.stream) {
    if (event.contentBlockStart) content[event.contentBlockStart.contentBlockIndex] = event.contentBlockStart.start;
    if (event.contentBlockDelta) {
      const { contentBlockIndex: index, delta } = event.contentBlockDelta;
      result.pieces += 1;
      const block = content[index] ??= delta.text === undefined ? { reasoningContent: { reasoningText: { text: '' } } } : { text: '' };
      if (delta.text !== undefined) block.text += delta.text;
      if (delta.toolUse) block.toolUse.input = (block.toolUse.input ?? '') + delta.toolUse.input;
      if (delta.reasoningContent?.text) block.reasoningContent.reasoningText.text += delta.reasoningContent.text;
      if (delta.reasoningContent?.signature) block.reasoningContent.reasoningText.signature = delta.reasoningContent.signature;
    }
    if (event.messageStop) result.stopReason = event.messageStop.stopReason;
    if (event.metadata) result.usage = event.metadata.usage;
  }
  for (const block of content) if (block.toolUse) block.toolUse.input = JSON.parse(block.toolUse.input);
  if (!result.stopReason) throw new Error('the stream ended before messageStop');
  return result;
}

async function wholeConversation(ask) {
  const messages = user('two calls');
  const first = await ask(messages);
  messages.push({ role: 'assistant', content: first.content });
  messages.push({ role: 'user', content: first.content.filter((block) => block.toolUse).map(({ toolUse }) => ({
    toolResult: { toolUseId: toolUse.toolUseId, content: [{ text: `token: ${toolUse.input.city}-42` }] } })) });
  return (await ask(messages)).content;
}

if (requestPath) {
  const { modelId, streamed: isStreamed, body } = JSON.parse(readFileSync(requestPath, 'utf8'));
  await outcome(() => client.send(new (isStreamed ? ConverseStreamCommand : ConverseCommand)({ modelId, ...body })));
} else {
  console.log(JSON.stringify({
    whole: await outcome(() => whole(user('hello'))),
    streamed: await outcome(() => streamed(user('hello'))),
    calls: await outcome(() => whole(user('two calls'))),
    streamedCalls: await outcome(() => streamed(user('two calls'))),
    conversation: await outcome(() => wholeConversation(whole)),
    streamedConversation: await outcome(() => wholeConversation(streamed)),
    limited: await outcome(() => whole(user('limited'))),
    broken: await outcome(() => streamed(user('broken'))),
    inside: await outcome(() => streamed(user('inside'))),
    cut: await outcome(() => streamed(user('cut'))),
  }));
}
