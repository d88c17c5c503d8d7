// The pages that people open, in headless Chromium: GraphiQL at /graphql and the page of the REST API at /v1. What they load from a CDN
// comes from npm's packages of the same versions, as there is no network where this runs; whatever else they ask outside is a failure.
import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { chromium } from 'playwright-core';

import { startServer } from './server.mjs';

const LIMIT = { timeout: 240_000 };
const WAIT = { timeout: 60_000 };

const server = await startServer();
const browser = await chromium.launch({
  executablePath: await findChromium(),
  // Its sandbox cannot be had by root, nor everywhere in containers; these pages are our own.
  args: ['--no-sandbox'],
});
after(async () => {
  await browser.close();
  await server.stop();
});

test('GraphiQL runs a query', LIMIT, async () => {
  const { page, problems } = await open('/graphql');
  await write(page, '.graphiql-query-editor .CodeMirror', '{ cryptoPrices(coins: ["bitcoin"]) { coin usd source stale } }');
  await page.locator('.graphiql-execute-button').click();
  const answer = await shown(page, '.result-window .CodeMirror', '"cryptoPrices"');
  const { data } = JSON.parse(answer);
  assert.equal(data.cryptoPrices[0].coin, 'bitcoin');
  assert.equal(data.cryptoPrices[0].source, 'simulated');
  assert.match(data.cryptoPrices[0].usd, /^\d+(\.\d+)?$/);
  // It asked for the schema as well: the documentation shows the field.
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer a', { hasText: 'Query' }).first().click();
  await page.locator('.graphiql-doc-explorer a', { hasText: 'cryptoPrices' }).first().waitFor(WAIT);
  await closed(page, problems);
});

test('GraphiQL sends the token of its headers, and shows a refusal without one', LIMIT, async () => {
  const { page, problems } = await open('/graphql');
  await write(page, '.graphiql-query-editor .CodeMirror', 'mutation { updateEmotion(feedback: 40) { userId emotion points } }');
  await page.locator('.graphiql-execute-button').click();
  assert.match(await shown(page, '.result-window .CodeMirror', '"errors"'), /UNAUTHENTICATED/);
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  const headers = JSON.stringify({ authorization: `Bearer ${server.token('browser')}` });
  await write(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror', headers);
  await page.locator('.graphiql-execute-button').click();
  const { data } = JSON.parse(await shown(page, '.result-window .CodeMirror', '"updateEmotion"'));
  assert.deepEqual(data.updateEmotion, { userId: 'browser', emotion: 'EXCITED', points: 40 });
  // The browser tells of the status of the refusal as an error of the console's, which it is.
  await closed(page, problems.filter((problem) => !/status of 401/.test(problem)));
});

test('GraphiQL opens a subscription, over its websocket', LIMIT, async () => {
  const { page, problems } = await open('/graphql');
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  const headers = JSON.stringify({ authorization: `Bearer ${server.token('browser')}` });
  await write(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden) .CodeMirror', headers);
  await write(page, '.graphiql-query-editor .CodeMirror', 'subscription { priceUpdates(coins: ["bitcoin"]) { coin usd } }');
  // It looks a moment later at what was written, and takes it for a query until then.
  await page.waitForFunction(
    () => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.documentAST?.definitions[0].operation === 'subscription',
    undefined,
    WAIT,
  );
  await page.locator('.graphiql-execute-button').click();
  const { data } = JSON.parse(await shown(page, '.result-window .CodeMirror', '"priceUpdates"'));
  assert.equal(data.priceUpdates.coin, 'bitcoin');
  await closed(page, problems);
});

test("REST's page asks for prices", LIMIT, async () => {
  const { page, problems } = await open('/v1');
  // What comes from elsewhere is what it was when the page was written.
  for (const element of await page.locator('script[src^="http"], link[rel=stylesheet]').all()) {
    assert.match(await element.getAttribute('integrity'), /^sha(256|384|512)-/);
    assert.equal(await element.getAttribute('crossorigin'), 'anonymous');
  }
  const operation = page.locator('.opblock-get', { has: page.locator('[data-path="/v1/prices"]') });
  await operation.locator('.opblock-summary-control').click(WAIT);
  await operation.locator('.try-out__btn').click(WAIT);
  const coins = operation.locator('tr[data-param-name="coins"]');
  await coins.getByRole('button', { name: /add/i }).click(WAIT);
  await coins.locator('input').first().fill('bitcoin');
  await operation.locator('.execute').click();
  const answer = operation.locator('.live-responses-table .response').first();
  await answer.locator('.response-col_status', { hasText: '200' }).waitFor(WAIT);
  const { items } = JSON.parse(await answer.locator('.highlight-code code').first().innerText());
  assert.equal(items[0].coin, 'bitcoin');
  assert.equal(items[0].source, 'simulated');
  assert.match(items[0].usd, /^\d+(\.\d+)?$/);
  await closed(page, problems);
});

test("REST's page sends the token that it is given", LIMIT, async () => {
  const { page, problems } = await open('/v1');
  await page.locator('.auth-wrapper .authorize').first().click(WAIT);
  const dialog = page.locator('.modal-ux');
  await dialog.locator('input').first().fill(server.token('reader'));
  await dialog.locator('button.authorize').click();
  await dialog.locator('button.btn-done').click();
  const operation = page.locator('.opblock-get', { has: page.locator('[data-path="/v1/emotion"]') });
  await operation.locator('.opblock-summary-control').click(WAIT);
  await operation.locator('.try-out__btn').click(WAIT);
  await operation.locator('.execute').click();
  const answer = operation.locator('.live-responses-table .response').first();
  await answer.locator('.response-col_status', { hasText: '200' }).waitFor(WAIT);
  assert.equal(JSON.parse(await answer.locator('.highlight-code code').first().innerText()).userId, 'reader');
  await closed(page, problems);
});

/** A page, and what goes wrong on it. */
async function open(path) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !OF_GRAPHIQL.test(message.text())) problems.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => problems.push(`error: ${error}`));
  page.on('requestfailed', (request) => problems.push(`failed: ${request.url()} ${request.failure()?.errorText}`));
  await page.exposeBinding('toldOfViolation', (_, what) => problems.push(`content security policy: ${what}`));
  await page.addInitScript(() => {
    const tell = ({ violatedDirective, blockedURI }) => globalThis.toldOfViolation(`${violatedDirective} ${blockedURI}`);
    document.addEventListener('securitypolicyviolation', tell);
  });
  await context.route((url) => url.origin !== server.url, async (route) => {
    const file = await ofNpm(route.request().url());
    if (file) return route.fulfill({ path: file, headers: { 'access-control-allow-origin': '*' } });
    problems.push(`outside: ${route.request().url()}`);
    return route.abort();
  });
  const response = await page.goto(server.url + path, WAIT);
  assert.equal(response.status(), 200);
  assert.match(response.headers()['content-type'], /^text\/html/);
  return { page, problems };
}

// React, as GraphiQL asks for it, is the one for development, and finds fault with GraphiQL itself.
const OF_GRAPHIQL = /^Warning: Each child in a list should have a unique "key" prop.*unpkg\.com\/graphiql@/s;

async function closed(page, problems) {
  await page.context().close();
  assert.deepEqual(problems, []);
}

/** The file of an npm package that a CDN's URL means, where the version that is asked for is the one that is here. */
async function ofNpm(url) {
  const { hostname, pathname } = new URL(url);
  const found = /^(?:\/npm)?\/((?:@[\w.-]+\/)?[\w.-]+)@(\d[\w.-]*)\/([\w./-]+)$/.exec(pathname);
  if (!['unpkg.com', 'cdn.jsdelivr.net'].includes(hostname) || !found || pathname.includes('..')) return undefined;
  const [, name, version, path] = found;
  const folder = join(dirname(createRequire(import.meta.url).resolve('graphql/package.json')), '..', name);
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}'));
  const fits = manifest.version === version || manifest.version?.startsWith(`${version}.`);
  return fits && (await exists(join(folder, path))) ? join(folder, path) : undefined;
}

/** Writes into an editor as a person does: all that was there goes. */
async function write(page, selector, text) {
  const editor = page.locator(selector).first();
  await editor.click(WAIT);
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.insertText(text);
}

/** What an editor shows, once it shows what is looked for. */
async function shown(page, selector, wanted) {
  const text = () => page.locator(selector).first().evaluate((element) => element.CodeMirror.getValue());
  for (const deadline = Date.now() + WAIT.timeout; Date.now() < deadline; await page.waitForTimeout(50)) {
    const now = await text().catch(() => '');
    if (now.includes(wanted)) return now;
  }
  assert.fail(`${selector} does not show ${wanted} but ${await text()}`);
}

async function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of process.env.PATH.split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      if (await exists(join(folder, name))) return join(folder, name);
    }
  }
  throw new Error('there is no chromium: run `make test`, install it, or set CHROMIUM to its path');
}

function exists(path) {
  return access(path).then(() => true, () => false);
}
