// SPDX-License-Identifier: Apache-2.0
// What the AWS SDK for JavaScript finds in the same environment, as one line of JSON.
import { createRequire } from 'node:module';

const { fromNodeProviderChain } = createRequire(`${process.argv[2]}/`)('@aws-sdk/credential-providers');
try {
  const found = await fromNodeProviderChain({ clientConfig: { region: 'eu-west-1' } })();
  console.log(JSON.stringify({ id: found.accessKeyId, secret: found.secretAccessKey, token: found.sessionToken ?? null,
    expires: found.expiration ? found.expiration.getTime() : -1 }));
} catch (problem) {
  console.log(JSON.stringify({ error: problem.name, message: problem.message }));
}
