// SPDX-License-Identifier: Apache-2.0
//
// Uses the pages of mergeloomd as a person does, in Chromium: node daemon_browser.mjs NODE_MODULES STORY PLAN.
// The plan is JSON: {"url": daemon, "sim": simulator, "repository", "mark", "control": folder of the fake
// programs, "screenshots": folder}. Every page is looked at by axe-core; a script error, or something that the content security policy stops, is a failure.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import path from 'node:path';

const [modules, story, planText] = process.argv.slice(2);
const require = createRequire(path.join(modules, '..', 'index.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(path.join(modules, 'axe-core', 'axe.min.js'), 'utf8');
const plan = JSON.parse(planText);
const desk = { width: 1280, height: 900 };
const phone = { width: 390, height: 844 };
mkdirSync(plan.screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
});
const complaints = [];

const open = async (address, options = {}) => {
  const context = await browser.newContext({ viewport: desk, ...options });
  context.setDefaultTimeout(60000); // a guard against hanging, never an expectation
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(plan.url + address);
  return page;
};

const keep = (page, name) => page.screenshot({ path: path.join(plan.screenshots, `${name}.png`), fullPage: true });

// Everything that is folded, in what selector names.
const opened = (page, selector = 'body') => page.evaluate((wanted) => {
  for (const whole of document.querySelectorAll(wanted)) {
    for (const details of whole.querySelectorAll('details')) details.open = true;
  }
}, selector);

// Nothing that axe finds wrong, nothing wider than the window.
const inspect = async (page, name) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  for (const violation of found.violations) {
    const node = violation.nodes[0];
    complaints.push(`${name}: ${violation.id}: ${node.html.slice(0, 200)}: ${node.failureSummary}`);
  }
  assert.ok(found.passes.length > 5, `${name}: axe looked at it`);
  const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width <= room, `${name}: ${width} wide in a window of ${room}`);
  await keep(page, name);
};

const card = (page, id) => page.locator(`article[id="${id}"]`);
const input = (page, id) => page.locator(`[id="${id}"]`);
const state = (page, id, text) => card(page, id).locator('.state .badge', { hasText: new RegExp(`^${text}$`) }).waitFor();
const marked = (page) => page.evaluate(() => { globalThis.sameDocument = true; });
const unchanged = async (page, what) =>
  assert.ok(await page.evaluate(() => globalThis.sameDocument === true), `${what} came without a new page`);

// Whether somebody looks at the page, as a browser says it; what has become of its stream.
const looked = (page, looks) => page.evaluate((hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
  document.dispatchEvent(new Event('visibilitychange'));
  return source.readyState;
}, !looks);

const submitJob = async (page) => {
  await page.goto(`${plan.url}/runs`);
  await page.getByLabel('Repository').fill(plan.repository);
  await page.getByLabel('Title').fill('Mend the greeting');
  await page.getByLabel('Description').fill(plan.mark);
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/live\//);
};

const stories = {
  // From an empty store to a finished job.
  async first_run() {
    const page = await open('/');
    await inspect(page, 'overview-empty');
    await page.getByRole('link', { name: 'Set one up' }).click();
    await state(page, 'openai-compatible', 'not ready');
    const own = card(page, 'openai-compatible');
    await own.getByRole('link', { name: 'Open its settings' }).click();
    await input(page, 'openai-compatible.base_url').fill(`${plan.sim}/v1`);
    await input(page, 'openai-compatible.model').fill('sim-1');
    await own.getByRole('button', { name: 'Save' }).click();
    await own.getByText('Saved').waitFor();
    await marked(page);
    await state(page, 'openai-compatible', 'authenticated');
    await unchanged(page, 'authenticated');
    await keep(page, 'providers-saved');
    await page.reload();
    assert.equal(await page.getByText('Saved').count(), 0, 'the notice is shown once');
    await own.getByRole('button', { name: 'Run self-test' }).click();
    await marked(page);
    await state(page, 'openai-compatible', 'ready');
    await own.locator('.progress .log', { hasText: 'Turn 2' }).waitFor({ state: 'attached' });
    await unchanged(page, 'ready');
    await own.locator('.progress > summary').click();
    await inspect(page, 'providers-self-tested');
    await page.goto(`${plan.url}/runs`);
    await inspect(page, 'runs-empty');
    const loaded = [];
    page.on('request', (request) => { if (/\/live\/[^/]*$/.test(request.url())) loaded.push(request.url()); });
    await submitJob(page);
    await marked(page);
    await page.locator('[data-live="head"] .badge', { hasText: /^completed$/ }).waitFor();
    await page.locator('pre.diff .add', { hasText: 'hello, world' }).waitFor();
    await unchanged(page, 'completed');
    assert.equal(await page.locator('pre.diff').count(), 1, 'one diff');
    await page.locator('.log li', { hasText: /Turn 5/ }).waitFor();
    await page.locator('.log .said', { hasText: 'I will look first. Grüße!' }).waitFor();
    assert.equal(await page.locator('.log .said').count(), 2, 'what the model said is whole, and there once');
    assert.deepEqual(loaded.filter((address) => !address.endsWith('?part=head')).length, 1, 'the lines came by themselves');
    await page.getByText('Corrected the greeting in hello.txt.').first().waitFor();
    await inspect(page, 'live-completed');
    await page.emulateMedia({ colorScheme: 'dark' });
    await inspect(page, 'live-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(phone);
    await inspect(page, 'live-phone');
    await page.setViewportSize(desk);
    await page.goto(`${plan.url}/runs`);
    await page.locator('.badge', { hasText: /^completed$/ }).waitFor();
    await inspect(page, 'runs');
    await page.getByLabel('State').selectOption('failed');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('There is no job in the state failed.').waitFor();
    // A page that nobody looks at keeps no connection, and shows what it missed as soon as somebody does.
    await page.goto(`${plan.url}/`);
    await marked(page);
    assert.equal(await looked(page, false), 2, 'the stream is closed');
    const answer = await fetch(`${plan.url}/api/v1/providers/claude-api/settings`, { method: 'PATCH', body: '{"fields":{"enabled":"false"}}' });
    assert.equal(answer.status, 204, 'disabled');
    assert.notEqual(await looked(page, true), 2, 'the stream is open again');
    await page.locator('tr', { hasText: 'Claude API' }).locator('.badge', { hasText: /^disabled$/ }).waitFor();
    await unchanged(page, 'what was missed');
    for (let i = 0; i < 600 && await page.evaluate(() => source.readyState) !== 1; i++) await page.waitForTimeout(100);
    const away = page.getByText('The daemon does not answer');
    const tell = (...events) => page.evaluate((names) => { for (const name of names) source.dispatchEvent(new Event(name)); }, events);
    await tell('error');
    assert.equal(await away.isVisible(), false, 'a stream may be cut');
    await tell('error');
    await away.waitFor();
    await inspect(page, 'overview-away');
    await tell('open');
    await away.waitFor({ state: 'hidden' });
    await inspect(page, 'overview');
  },

  // A field that the deployment sets, a value that does not fit, a check that fails.
  async locked_and_wrong() {
    const page = await open('/providers');
    const own = card(page, 'openai-compatible');
    await state(page, 'openai-compatible', 'not ready');
    const failed = own.locator('.check', { has: page.locator('.badge', { hasText: /^fail$/ }) }).first();
    await failed.getByText('What to do:').waitFor();
    await own.getByText('Settings', { exact: true }).click();
    assert.ok(await input(page, 'openai-compatible.model').isDisabled(), 'the locked field');
    await own.getByText('JCA_OPENAI_COMPATIBLE_MODEL').first().waitFor();
    await own.locator('.locked').first().waitFor();
    await inspect(page, 'providers-locked');
    await page.evaluate(() => { for (const form of document.forms) form.noValidate = true; });
    await input(page, 'openai-compatible.base_url').fill('not an address');
    await own.getByRole('button', { name: 'Save' }).click();
    await own.getByRole('alert').waitFor();
    assert.equal(await input(page, 'openai-compatible.base_url').inputValue(), 'not an address', 'what was entered');
    assert.equal(new URL(page.url()).pathname, '/providers', 'an address that can be loaded again');
    await inspect(page, 'providers-refused');
  },

  // A program's own login: page and code, another look at them, and the end without a new page; then by a pasted code.
  async login() {
    const page = await open('/providers');
    const codex = card(page, 'codex-cli');
    await codex.locator('.check', { hasText: 'login folder' }).first().waitFor();
    await codex.getByRole('button', { name: 'Authenticate in browser' }).click();
    await codex.getByText('WXYZ-12345', { exact: true }).waitFor();
    await page.reload();
    await codex.getByText('WXYZ-12345', { exact: true }).waitFor();
    assert.equal(await codex.getByRole('link', { name: /login\.example/ }).getAttribute('href'),
      'https://login.example.test/device?one=1&two=2', 'the page to open');
    await inspect(page, 'providers-login');
    await page.setViewportSize(phone);
    await inspect(page, 'providers-login-phone');
    await page.setViewportSize(desk);
    await marked(page);
    writeFileSync(path.join(plan.control, 'approved'), '');
    await codex.locator('.panel .badge', { hasText: /^completed$/ }).waitFor();
    await codex.locator('.check', { hasText: 'codex is logged in' }).waitFor({ state: 'attached' });
    await unchanged(page, 'the end of the login');
    await codex.getByRole('button', { name: 'Check login status' }).click();
    await page.waitForURL(/#codex-cli$/);
    await keep(page, 'providers-logged-in');
    const claude = card(page, 'claude-code-cli');
    // What the program says meanwhile comes before the form that one is typing in.
    await claude.getByRole('button', { name: 'Authenticate in browser' }).click();
    const typed = claude.getByLabel('Code or answer');
    await typed.fill('half a code');
    const told = await claude.locator('.panel').evaluate((panel) => {
      const fresh = new DOMParser().parseFromString(panel.outerHTML, 'text/html').body.firstElementChild;
      fresh.querySelector('details').before(Object.assign(document.createElement('p'), { textContent: 'news' }));
      patch(panel, fresh);
      const between = panel.textContent;
      for (const part of fresh.querySelectorAll(':scope > h3, :scope > p')) part.remove();
      patch(panel, fresh);
      return [between.includes('news'), panel.textContent.includes('news')];
    });
    assert.deepEqual(told, [true, false], 'what comes and goes');
    assert.equal(await typed.inputValue(), 'half a code', 'what is typed stays');
    await claude.getByRole('button', { name: 'Cancel' }).click();
    await claude.locator('.panel .badge', { hasText: /^cancelled$/ }).waitFor();
    const answer = async (text, end) => {
      await claude.getByRole('button', { name: 'Authenticate in browser' }).click();
      await claude.getByLabel('Code or answer').fill(text);
      await claude.getByRole('button', { name: 'Send' }).click();
      await claude.locator('.panel .badge', { hasText: new RegExp(`^${end}$`) }).waitFor();
    };
    await answer('wrong-code', 'failed');
    await claude.getByText('Invalid code').waitFor();
    await keep(page, 'providers-login-failed');
    await answer('pasted-code', 'completed');
    await codex.getByText('Other ways').click();
    await codex.getByRole('button', { name: 'Log out' }).click();
    await codex.getByText('logged out').waitFor();
    await page.goto(`${plan.url}/audit?kind=login`);
    await page.getByText('completed: logged in').first().waitFor();
    await inspect(page, 'audit-logins');
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV' }).click();
    const rows = readFileSync(await (await saved).path(), 'utf8').trim().split('\r\n');
    assert.equal(rows[0], 'time,kind,subject,text', 'the head of the table');
    assert.ok(rows.length > 4 && rows.slice(1).every((row) => row.includes(',"login",')), 'the filter holds for what is saved');
  },

  // Fields that do not apply are not there, and come when they do.
  async conditional() {
    const page = await open('/providers');
    const own = card(page, 'vertex-ai');
    await own.getByText('Settings', { exact: true }).click();
    await opened(page);
    const raw = own.locator('[data-shown-value="raw-endpoint"]').first();
    const structured = own.locator('[data-shown-value="structured"]').first();
    assert.deepEqual([await raw.isVisible(), await structured.isVisible()], [false, true], 'the default');
    await input(page, 'vertex-ai.endpoint_mode').selectOption('raw-endpoint');
    assert.deepEqual([await raw.isVisible(), await structured.isVisible()], [true, false], 'the other choice');
  },

  // Every page, narrow and wide, light and dark.
  async looks() {
    for (const [name, options] of [['phone', { viewport: phone }], ['dark', { colorScheme: 'dark' }]]) {
      const page = await open('/', options);
      for (const address of ['/', '/providers', '/runs', '/audit', '/health', '/sign-in', '/nowhere']) {
        await page.goto(plan.url + address);
        // Cards are drawn alike: one of each shape is enough of a page that is long.
        await opened(page, '#vertex-ai, #codex-cli, #worker');
        await inspect(page, `${address.slice(1) || 'overview'}-${name}`);
      }
      await page.context().close();
    }
  },

  // Texts that would be markup are read on every page, and lines that come while one looks.
  async markup() {
    const page = await open(plan.live);
    page.on('dialog', (dialog) => { complaints.push(`a dialog on ${page.url()}`); dialog.dismiss(); });
    page.on('request', (request) => {
      if (request.resourceType() === 'image' && !request.url().endsWith('/favicon.ico')) complaints.push(`asked for ${request.url()}`);
    });
    const read = async (texts, name) => {
      // What stands in inputs and attributes is text as well; lines of a job may come a moment later.
      const missing = () => page.evaluate((wanted) => {
        const found = [document.body.textContent, ...[...document.querySelectorAll('*')]
          .flatMap((node) => [...node.attributes].map((attribute) => attribute.value))].join('\n');
        return wanted.filter((text) => !found.includes(text));
      }, texts);
      for (let i = 0; i < 600 && (await missing()).length > 0; i++) await page.waitForTimeout(100);
      assert.deepEqual(await missing(), [], `what ${name} does not show`);
      assert.equal(await page.locator('img, iframe, object, embed, svg, base, [onerror], a[href^="javascript:"]').count(), 0, name);
    };
    await marked(page);
    for (const [number, [address, body]] of plan.told.entries()) {
      const answer = await fetch(plan.url + address, { method: 'POST', headers: plan.headers, body: JSON.stringify(body) });
      assert.equal(answer.status, 204, address);
      // The model says more while nobody looks.
      if (number === 0) await page.locator('.said', { hasText: 'img' }).waitFor();
      await looked(page, number > 0);
    }
    await page.locator('[data-live="head"] .badge', { hasText: /^failed$/ }).waitFor();
    await page.locator('.said', { hasText: 'event-said' }).waitFor();
    await unchanged(page, 'what the executor told');
    await read(plan.pages.find(([, address]) => address === plan.live)[2], 'the page that was open');
    for (const [name, address, texts] of plan.pages) {
      await page.goto(plan.url + address);
      await read(texts, address);
      await page.setViewportSize(phone);
      await keep(page, `markup-${name}`);
      const [width, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(width <= room, `${address}: ${width} wide in a window of ${room}`);
      await page.setViewportSize(desk);
    }
  },

  // The same story without scripts.
  async without_scripts() {
    const page = await open('/providers', { javaScriptEnabled: false });
    const own = card(page, 'openai-compatible');
    const until = async (text) => {
      for (let i = 0; i < 600 && await page.locator('.badge', { hasText: new RegExp(`^${text}$`) }).count() === 0; i++) {
        await page.waitForTimeout(100);
        await page.goto(page.url().split('#')[0]);
      }
      await page.locator('.badge', { hasText: new RegExp(`^${text}$`) }).first().waitFor();
    };
    await own.getByText('Settings', { exact: true }).click();
    await input(page, 'openai-compatible.base_url').fill(`${plan.sim}/v1`);
    await input(page, 'openai-compatible.model').fill('sim-1');
    await own.getByRole('button', { name: 'Save' }).click();
    await own.getByText('Saved').waitFor();
    await until('authenticated');
    await own.getByRole('button', { name: 'Run self-test' }).click();
    await until('ready');
    await submitJob(page);
    await until('completed');
    await page.locator('pre.diff .add', { hasText: 'hello, world' }).waitFor();
    await keep(page, 'live-without-scripts');
  },

  // Nothing but Tab, Enter and typing.
  async keyboard() {
    const page = await open('/providers');
    const press = async (wanted, what) => {
      for (let i = 0; i < 300; i++) {
        await page.keyboard.press('Tab');
        if (await page.evaluate(wanted, 'openai-compatible')) return;
      }
      assert.fail(`Tab does not reach ${what}`);
    };
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to content', 'what comes first');
    await page.keyboard.press('Enter');
    await press((id) => document.activeElement.closest('article')?.id === id &&
      document.activeElement.textContent === 'Settings', 'the settings');
    await page.keyboard.press('Enter');
    await press((id) => document.activeElement.id === `${id}.base_url`, 'the base URL');
    await page.keyboard.type(`${plan.sim}/v1`);
    await press((id) => document.activeElement.id === `${id}.model`, 'the model');
    await page.keyboard.type('sim-1');
    await press((id) => document.activeElement.closest('article')?.id === id &&
      document.activeElement.textContent === 'Save', 'Save');
    await keep(page, 'providers-keyboard');
    await page.keyboard.press('Enter');
    await card(page, 'openai-compatible').getByText('Saved').waitFor();
    await state(page, 'openai-compatible', 'authenticated');
  },
};

try {
  await stories[story]();
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
