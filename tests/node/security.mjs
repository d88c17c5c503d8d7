// What docs/SECURITY.md says of HTTP that no test in Rust shows, and that each test which that page names exists.
import assert from 'node:assert/strict';
import { access, readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { startServer } from './server.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PER_ADDRESS = 5;
// Written as the names of tests are.
const NO_TESTS = ['client_id'];
const server = await startServer({ RATE_LIMITS: 'on', RATE_LIMIT_PER_ADDRESS: String(PER_ADDRESS) });
after(server.stop);

const query = (headers) =>
  fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: '{ __typename }' }),
  });

test('an address that a header claims gets no quota of its own', async () => {
  const statuses = [];
  for (let sent = 0; sent < 2 * PER_ADDRESS; sent += 1) {
    const claimed = `203.0.113.${sent}`;
    const headers = {
      'x-forwarded-for': claimed,
      'x-real-ip': claimed,
      forwarded: `for=${claimed}`,
      'cf-connecting-ip': claimed,
      'true-client-ip': claimed,
    };
    statuses.push((await query(headers)).status);
  }
  assert.ok(statuses.filter((status) => status === 200).length <= PER_ADDRESS, `${statuses}`);
  assert.equal(statuses.at(-1), 429, `${statuses}`);
});

test('every answer says that it is what it says, and sends no referrer', async () => {
  const authorization = `Bearer ${server.token('headers')}`;
  const asked = [['/'], ['/healthz'], ['/schema.graphql'], ['/graphql?query=%7B__typename%7D'], ['/nowhere'], ['/graphql', 'DELETE']];
  for (const [path, method = 'GET'] of asked) {
    const response = await fetch(server.url + path, { method, headers: { authorization } });
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff', path);
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer', path);
    assert.ok(response.headers.get('cache-control'), path);
  }
});

test('every test that docs/SECURITY.md names exists', async () => {
  const page = await readFile(join(root, 'docs/SECURITY.md'), 'utf8');
  const code = [...page.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text);
  const named = new Set(code.filter((text) => /^[a-z0-9]+(_[a-z0-9]+)+$/.test(text) && !NO_TESTS.includes(text)));
  const ofNode = code.map((text) => /^(\w+\.mjs): (.+)$/.exec(text)).filter(Boolean);
  const files = code.filter((text) => /^(scripts|tests|shared)\/[\w./-]+\.\w+$/.test(text));
  assert.ok(named.size > 100 && ofNode.length > 0 && files.length > 0, 'the page names tests in a way that is not found here');

  const tests = await rustTests();
  const missing = [...named].filter((name) => !tests.has(name));
  for (const [text, file, title] of ofNode) {
    const source = await readFile(join(root, 'tests/node', file), 'utf8').catch(() => '');
    if (!source.includes(`test('${title}'`) && !source.includes(`test("${title}"`)) missing.push(text);
  }
  for (const file of files) await access(join(root, file)).catch(() => missing.push(file));
  assert.deepEqual(missing, []);
});

/** The names of all tests in Rust. Those of the contract suites are listed where a macro makes a test of each, for every backend. */
async function rustTests() {
  const names = new Set();
  for (const folder of ['tests', 'shared/src']) {
    for (const path of await readdir(join(root, folder), { recursive: true })) {
      if (!path.endsWith('.rs') || path.includes('node_modules')) continue;
      const source = await readFile(join(root, folder, path), 'utf8');
      const contracts = folder === 'tests' && path.startsWith('contracts');
      // Between the attribute and the function there may be other attributes.
      const marked = /#\[(?:tokio::)?test\b[^\n]*\]\s*(?:#\[[^\n]*\]\s*)*(?:pub(?:\(\w+\))? )?(?:async )?fn (\w+)/g;
      const any = /\bfn (\w+)\(/g;
      for (const [, name] of source.matchAll(contracts ? any : marked)) names.add(name);
    }
  }
  return names;
}
