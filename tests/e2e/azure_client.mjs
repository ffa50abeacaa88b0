// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own identity client: node azure_client.mjs NODE_MODULES CASE, where CASE is JSON with the members kind
// (a class of @azure/identity), arguments of its constructor, and scope. Prints the token, or why there is none.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, text] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const identity = require('@azure/identity');
const { kind, arguments: given, scope } = JSON.parse(text);
try {
  const credential = new identity[kind](...given);
  const { token, expiresOnTimestamp } = await credential.getToken(scope);
  console.log(JSON.stringify({ token, expires: expiresOnTimestamp }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.message) }));
}
