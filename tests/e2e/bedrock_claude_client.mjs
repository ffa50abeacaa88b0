// SPDX-License-Identifier: Apache-2.0
//
// Anthropic's own clients of Bedrock send one request and print the events of its answer: node bedrock_claude_client.mjs NODE_MODULES KIND BASE_URL REQUEST,
// with bedrock (InvokeModel) or mantle as KIND and the file of a body of ours.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, kind, baseURL, requestPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const sdk = require('@anthropic-ai/bedrock-sdk');
const keys = { awsRegion: 'us-east-1', awsAccessKey: 'test-id', awsSecretKey: 'test-key-not-a-secret',
  awsSecretAccessKey: 'test-key-not-a-secret', maxRetries: 0 };
const client = kind === 'mantle' ? new sdk.AnthropicBedrockMantle({ ...keys, baseURL: `${baseURL}/anthropic` })
  : new sdk.AnthropicBedrock({ ...keys, baseURL });

// The version is the client's own; model and stream, which it takes out of the body, go in.
const { anthropic_version: _, ...body } = JSON.parse(readFileSync(requestPath, 'utf8'));
const request = kind === 'mantle' ? body : { model: 'sim-1', stream: true, ...body };
try {
  const stream = await client.messages.create(request);
  for await (const event of stream) console.log(JSON.stringify(event));
} catch (error) {
  console.log(JSON.stringify({ error: error.constructor.name, message: error.message }));
}
