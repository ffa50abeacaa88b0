// SPDX-License-Identifier: Apache-2.0
//
// Serves the real command-line programs with the mock server of @copilotkit/aimock: node cli_server.mjs NODE_MODULES PLAN.
// The plan is a JSON file: {"style": "codex" or "claude", "mark": text of the job's first message, "steps": [...],
// "options": {options of a step's fixture, by turn}, "server": {server options}}. A step is what the model does in one
// turn: {"say": text}, {"run": shell command}, {"edit": {path, old, new}}, {"result": {...}} or {"response": aimock's own}.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, planPath] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { LLMock } = require('@copilotkit/aimock');
const plan = JSON.parse(readFileSync(planPath, 'utf8'));

const textOf = (message) => typeof message.content === 'string' ? message.content
  : (message.content ?? []).map((part) => part.text ?? '').join('');
const turnOf = (request) => request.messages.filter((message, index, all) => message.role === 'assistant'
  && all[index - 1]?.role !== 'assistant').length;
const says = (request, text) => request.messages.some((message) => message.role === 'user' && textOf(message).includes(text));
const lastMatch = (request, pattern) => {
  for (const message of [...request.messages].reverse()) {
    const match = pattern.exec(textOf(message));
    if (match) return match[1];
  }
  return `nothing matches ${pattern}`;
};

let calls = 0;
const usage = { input_tokens: 1000, output_tokens: 10 };
const call = (name, args) => ({ toolCalls: [{ id: `call_${++calls}`, name, arguments: JSON.stringify(args) }], usage });
const styles = {
  codex: {
    run: (command) => call('exec_command', { cmd: command }),
    edit: ({ path: file, old, new: text }) => call('exec_command', {
      cmd: `apply_patch <<'PATCH'\n*** Begin Patch\n*** Update File: ${file}\n@@\n-${old}\n+${text}\n*** End Patch\nPATCH\n` }),
    result: (result) => ({ content: JSON.stringify({ notes: '', ...result }), usage }),
  },
  claude: {
    run: (command) => call('Bash', { command, description: 'Run it' }),
    edit: ({ path: file, old, new: text }) => call('Edit', { file_path: path.join(plan.workspace ?? '', file), old_string: old, new_string: text }),
    result: (result) => call('StructuredOutput', { notes: '', ...result }),
  },
};
const style = styles[plan.style];
const answer = (step) => {
  if (step.response) return step.response;
  const response = step.run ? style.run(step.run) : step.edit ? style.edit(step.edit) : step.result ? style.result(step.result) : { usage };
  return step.say ? { ...response, content: step.say } : response;
};

// A model that follows the ticket of the self-test (docs/readiness.md).
const SELF_TEST = 'short check of your tools';
function selfTest(request) {
  switch (turnOf(request)) {
    case 0: return style.run('cat code.txt');
    case 1: return style.edit({ path: 'target.txt', old: 'value = unset', new: `value = ${lastMatch(request, /code: (ML-[0-9a-f]+)/)}` });
    case 2: return style.run(lastMatch(request, /Run this command: (.*)/).trim());
    default: return style.result({ status: 'completed', files_changed: ['target.txt'],
      summary: `The output is ${plan.guess ?? lastMatch(request, /\b([0-9a-f]{40})\b/)}.` });
  }
}

const mock = new LLMock({ host: '127.0.0.1', port: 0, strict: true, logLevel: 'warn', ...plan.server });
mock.addFixture({ match: { predicate: (request) => says(request, SELF_TEST) }, response: selfTest });
plan.steps.forEach((step, turn) => mock.addFixture({
  match: { predicate: (request) => !says(request, SELF_TEST) && turnOf(request) === turn && says(request, plan.mark) },
  response: () => answer(step),
  ...(plan.options?.[turn] ?? {}),
}));
const url = await mock.start();
console.log(`listening on ${url}`);
process.on('SIGTERM', () => mock.stop().then(() => process.exit(0)));
