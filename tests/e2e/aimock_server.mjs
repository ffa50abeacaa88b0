// SPDX-License-Identifier: Apache-2.0
//
// Serves a job and the tool-calling self-test with the mock server of @copilotkit/aimock:
// node aimock_server.mjs NODE_MODULES PLAN. The plan is a JSON file: {"mark": text of the job's first message,
// "steps": [response of each turn], "options": {options of a step's fixture, by turn}, "server": {server options}}, or
// with "jobs": [{"mark", "steps"}] several at once.
// Responses are aimock's own: {content, toolCalls, reasoning, usage}, {error, status, retryAfter}. Before it answers as it
// is, a response answers once with each of "interrupted": [options that end or hold an answer], then of "first": [responses].
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, planPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { LLMock } = require('@copilotkit/aimock');
const plan = JSON.parse(readFileSync(planPath, 'utf8'));

const textOf = (message) => typeof message.content === 'string' ? message.content
  : (message.content ?? []).map((part) => part.text ?? '').join('');
// What the model said in one turn is one assistant message, or several in a row where items are sent back one by one.
const turnOf = (request) => request.messages.filter((message, index, all) => message.role === 'assistant'
  && all[index - 1]?.role !== 'assistant').length;
const offers = (request, name) => (request.tools ?? []).some((tool) => tool.function?.name === name);
const found = (request, pattern) => {
  for (const message of [...request.messages].reverse()) {
    const match = pattern.exec(textOf(message));
    if (match) return match[1];
  }
  return `nothing matches ${pattern}`;
};
const call = (id, name, args) => ({ toolCalls: [{ id, name, arguments: JSON.stringify(args) }] });

// A model that follows the ticket of the self-test (docs/readiness.md).
function selfTest(request) {
  switch (turnOf(request)) {
    case 0: return call('self_0', 'read_file', { path: 'code.txt' });
    case 1: return call('self_1', 'edit_file', {
      path: 'target.txt', old_text: 'value = unset', new_text: `value = ${found(request, /code: (ML-[0-9a-f]+)/)}` });
    case 2: return call('self_2', 'run_command', { argv: found(request, /Run this command: (.*)/).trim().split(' ') });
    case 3: return call('self_3', 'exchange_code', { code: found(request, /code: (ML-[0-9a-f]+)/) });
    case 4: return call('self_4', 'inspect_diff', {});
    case 5: return call('self_5', 'submit_result', {
      status: 'completed', files_changed: ['target.txt'], summary: `The confirmation is ${found(request, /confirmation: (MC-[0-9a-f]+)/)}.` });
    default: return { content: 'Done.' };
  }
}

const mock = new LLMock({ host: '127.0.0.1', port: 0, strict: true, logLevel: 'warn', ...plan.server });
mock.addFixture({ match: { predicate: (request) => offers(request, 'exchange_code') }, response: selfTest });
const withTextArguments = (response) => (response.toolCalls ? { ...response,
  toolCalls: response.toolCalls.map((one) => ({
    ...one, arguments: typeof one.arguments === 'string' ? one.arguments : JSON.stringify(one.arguments) })) } : response);
for (const job of plan.jobs ?? [plan]) {
  job.steps.forEach(({ interrupted = [], first = [], ...response }, turn) => {
    const isAsked = (request) => !offers(request, 'exchange_code') && turnOf(request) === turn
      && request.messages.some((message) => message.role === 'user' && textOf(message).includes(job.mark));
    for (const options of interrupted) {
      let spent = false;
      mock.addFixture({
        match: { predicate: (request) => !spent && isAsked(request) },
        response: () => { spent = true; return { content: 'A longer text, which nobody reads to its end.' }; },
        ...options,
      });
    }
    mock.addFixture({
      match: { predicate: isAsked },
      response: () => first.shift() ?? withTextArguments(response),
      ...(job.options?.[turn] ?? {}),
    });
  });
}
const url = await mock.start();
console.log(`listening on ${url}`);
process.on('SIGTERM', () => mock.stop().then(() => process.exit(0)));
