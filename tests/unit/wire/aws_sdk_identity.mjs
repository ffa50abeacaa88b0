// SPDX-License-Identifier: Apache-2.0
//
// What the AWS SDK for JavaScript makes of the same files and variables: node aws_sdk_identity.mjs NODE_MODULES. As
// botocore_identity.py, it reads cases as JSON and prints one line of JSON for each; every request goes to TEST_SERVER,
// which is told where it was meant to go.
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';

const environment = { ...process.env };
const server = new URL(environment.TEST_SERVER);
const realRequest = http.request;
let number = 0;

for (const module of [http, https]) {
  const scheme = module === https ? 'https:' : 'http:';
  module.request = (options, answered) => {
    const host = options.host ?? options.hostname;
    const port = options.port && Number(options.port) !== (scheme === 'https:' ? 443 : 80) ? `:${options.port}` : '';
    const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
    return realRequest({ method: options.method, path: options.path, host: server.hostname, port: server.port,
      headers: { ...options.headers, 'X-Original-Url': `${scheme}//${name}${port}${options.path}`, 'X-Case': number } },
    answered);
  };
}

const { fromNodeProviderChain } = createRequire(`${process.argv[2]}/`)('@aws-sdk/credential-providers');

async function identity({ environment: given, profile }) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  // It knows the one of the two variables that botocore does not.
  Object.assign(process.env, given, given.AWS_DEFAULT_REGION ? { AWS_REGION: given.AWS_DEFAULT_REGION } : {});
  try {
    const found = await fromNodeProviderChain(profile ? { profile } : {})();
    return { id: found.accessKeyId, secret: found.secretAccessKey, token: found.sessionToken ?? null,
      expires: found.expiration ? found.expiration.getTime() : -1 };
  } catch (problem) {
    return { error: problem.name, message: problem.message };
  }
}

const cases = JSON.parse(await text(process.stdin));
for (; number < cases.length; number++) {
  console.log(JSON.stringify(await identity(cases[number])));
}
