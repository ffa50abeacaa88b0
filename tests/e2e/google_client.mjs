// SPDX-License-Identifier: Apache-2.0
//
// The vendor's own identity client: node google_client.mjs NODE_MODULES CASE, where CASE is JSON with the members scope
// and url, an address that a request is authorized for, and key, the path of a service account's key whose token the
// client is to sign by itself. All that it sends by https goes to the port GOOGLE_TLS_PORT of this machine. Prints the
// headers that the request gets, or why there are none.
import fs from 'node:fs';
import https from 'node:https';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, text] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { GoogleAuth, JWT } = require('google-auth-library');
const { scope, url, key } = JSON.parse(text);

const connect = https.Agent.prototype.createConnection;
https.Agent.prototype.createConnection = function toThisMachine(options, done) {
  const port = Number(process.env.GOOGLE_TLS_PORT);
  return connect.call(this, { ...options, host: '127.0.0.1', port, servername: options.servername || options.host },
    done);
};

async function client() {
  if (!key) return new GoogleAuth({ scopes: scope }).getClient();
  const account = JSON.parse(fs.readFileSync(key, 'utf8'));
  const signer = new JWT({ email: account.client_email, key: account.private_key, keyId: account.private_key_id,
    scopes: [scope] });
  signer.useJWTAccessWithScope = true;
  return signer;
}

try {
  const headers = await (await client()).getRequestHeaders(url);
  console.log(JSON.stringify({ headers: Object.fromEntries(headers.entries()) }));
} catch (error) {
  console.log(JSON.stringify({ error: String(error.message) }));
}
