// GraphQL and REST of the local server, asked the same: no difference in 500 cases. And that the comparison finds what differs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CHAIN, startAnvil } from './anvil.mjs';
import { written } from './compare/report.mjs';
import { compare } from './compare/run.mjs';
import { startTampering } from './compare/tampering.mjs';
import { startLiFi } from './lifi.mjs';
import { startServer, until } from './server.mjs';

const LIMIT = { timeout: 300_000 };
/** Any would do. It is the same each time, so that what fails fails again. */
const SEED = 8;
const POINTS = 5;

const folder = await mkdtemp(join(tmpdir(), 'mcp-compare-'));
after(() => rm(folder, { recursive: true, force: true }));
const anvil = await startAnvil();
after(anvil.stop);
const lifi = await startLiFi();
after(lifi.stop);
const SETTINGS = {
  DATABASE_URL: `sqlite:${join(folder, 'compare.db')}`,
  EVM_RPC_URLS: `${CHAIN}=${anvil.url}`,
  QUOTE_SOURCES: 'lifi',
  LIFI_URL: lifi.url,
};
await pricesHaveAPast();
// From here on prices seldom move.
const server = await startServer({ ...SETTINGS, PRICE_POLL_SECONDS: '60' });
after(server.stop);
const world = await chainHasAPast();

/** New users: neither side has a history. */
let round = 0;
function newUsers() {
  round += 1;
  const pair = (name, role) => ({ graphql: server.token(`${name}-${round}-a`, role), rest: server.token(`${name}-${round}-b`, role) });
  return { user: pair('compare', 'USER'), admin: pair('compare-admin', 'ADMIN') };
}

function run(more = {}) {
  return compare({ graphql: server.url, rest: server.url, users: newUsers(), seed: SEED, writes: true, world, ...more });
}

test('500 cases find no difference between GraphQL and REST', LIMIT, async (t) => {
  const report = await run();
  t.diagnostic(`${report.repeated} cases were repeated`);
  assert.deepEqual(report.differences, [], written(report));
  assert.equal(Object.values(report.operations).reduce((sum, { cases }) => sum + cases, 0), 500);
  for (const [operation, { cases, refused }] of Object.entries(report.operations)) {
    assert.ok(cases - refused >= 2 && refused >= 1, `${operation}: ${cases} cases, ${refused} refused`);
  }
});

test('nor where nothing is written and both sides are asked by one user', LIMIT, async () => {
  const token = server.token('compare-reader');
  const report = await run({ users: { user: { graphql: token, rest: token } }, writes: false, count: 100 });
  assert.deepEqual(report.differences, [], written(report));
  assert.ok(!('addMemory' in report.operations));
});

const isAbout = (path) => (request) => request.url.startsWith(path);
const inBody = (change) => (answer) => (answer.body = change(answer.body));
const inJson = (change) => inBody((body) => JSON.stringify(change(JSON.parse(body))));
const refused = (answer) => answer.status >= 400 && answer.body !== '';
const served = (answer) => answer.status < 300 && answer.body !== '';

/** What is changed, of which operations, where in REST's answers, when; and the path at which that has to be found. */
const TAMPERED = [
  ['a price', 'cryptoPrices', isAbout('/v1/prices?'), served, inJson(({ items, ...page }) => ({ ...page, items: items.map((price) => ({ ...price, usd: `${price.usd}0` })) })), /^value\.items\[0\]\.usd$/],
  ['a number for text', 'cryptoPrices', isAbout('/v1/prices?'), served, inBody((body) => body.replace(/"usd":"([\d.]+)"/, '"usd":$1')), /^value\.items\[0\]\.usd$/],
  ['a field too few', 'priceResults', isAbout('/v1/price-results'), served, inBody((body) => body.replaceAll('"stale":false,', '').replaceAll(',"stale":false', '')), /\.price\.stale$/],
  ['a field too many', 'chains', isAbout('/v1/chains'), served, inJson((answer) => ({ ...answer, more: 1 })), /^value\.more$/],
  ['an item too few', 'addMemory memories', isAbout('/v1/memories?'), served, inJson(({ items, ...page }) => ({ ...page, items: items.slice(1) })), /^value\.items\[0\]/],
  ['items in another order', 'addMemory memories', isAbout('/v1/memories?'), served, inJson(({ items, ...page }) => ({ ...page, items: items.toReversed?.() ?? [...items].reverse() })), /^value\.items\[0\]/],
  ['the time of a memory, read again', 'addMemory memories', isAbout('/v1/memories?'), served, inBody((body) => body.replace(/"createdAt":"\d{4}/, '"createdAt":"1999')), /^value\.items\[0\]\.createdAt$/],
  ['another user', 'emotion updateEmotion', isAbout('/v1/emotion'), served, inJson((state) => ({ ...state, userId: 'somebody' })), /^(again, [a-z ]+: )?value\.userId$/],
  ['a page too few', 'priceHistory', isAbout('/v1/prices/'), served, (answer) => delete answer.headers.link, /^headers\.link has a next page$/],
  ['a page that goes on elsewhere', 'priceHistory', isAbout('/v1/prices/'), served, (answer) => (answer.headers.link = answer.headers.link?.replace(/after=[^&>]*/, 'after=djE')) ?? delete answer.headers.link, /^headers\.link goes on after$/],
  ['a status', 'cryptoPrices deleteMemory', isAbout('/v1/'), (answer) => answer.status === 404, (answer) => (answer.status = 400), /^status$/],
  ['the status of what was made', 'addMemory', isAbout('/v1/memories'), (answer) => answer.status === 201, (answer) => (answer.status = 200), /^(again, [a-z ]+: )?status$/],
  ['where it is', 'addMemory', isAbout('/v1/memories'), (answer) => answer.status === 201, (answer) => (answer.headers.location += '0'), /headers\.location$/],
  ['a code', 'mcp cryptoPrices', isAbout('/v1/'), refused, inBody((body) => body.replace('"NOT_FOUND"', '"CONFLICT"')), /^error\.code$/],
  ['a sentence', 'cryptoPrices', isAbout('/v1/'), refused, inBody((body) => body.replace('unknown coin', 'no such coin')), /^error\.message$/],
  ['details', 'cryptoPrices', isAbout('/v1/'), refused, inJson(({ coins, ...problem }) => problem), /^error\.details\.coins$/],
  ['the form of an error', 'balance', isAbout('/v1/'), refused, (answer) => (answer.headers['content-type'] = 'application/json'), /^headers\.content-type$/],
  ['an ETag', 'chains', isAbout('/v1/chains'), served, (answer) => delete answer.headers.etag, /^headers\.etag$/],
  ['what others may keep', 'memories', isAbout('/v1/memories'), served, (answer) => (answer.headers['cache-control'] = 'public, max-age=60'), /^(again, [a-z ]+: )?headers\.cache-control$/],
  ['a correlation id', 'transaction', isAbout('/v1/'), () => true, (answer) => (answer.headers['x-correlation-id'] = 'mine'), /^headers\.x-correlation-id$/],
  ['an answer to a condition', 'chains mcp balance', isAbout('/v1/'), (answer) => answer.status === 304, (answer) => (answer.status = 200), /^under a condition: status$/],
];

for (const [what, operations, where, when, change, path] of TAMPERED) {
  test(`the comparison finds ${what}`, LIMIT, async (t) => {
    const proxy = await startTampering(server.url, (answer, request) => {
      if (where(request) && request.url !== '/v1/openapi.json' && when(answer)) change(answer);
    });
    t.after(proxy.stop);
    const report = await run({ rest: proxy.url, count: 60, only: operations.split(' ') });
    const found = report.differences.flatMap((difference) => difference.found.map((place) => place.path));
    assert.ok(found.some((place) => path.test(place)), `${path} is not among ${JSON.stringify([...new Set(found)])}`);
  });
}

test('the comparison finds an operation that only one face has', LIMIT, async (t) => {
  const proxy = await startTampering(server.url, (answer, request) => {
    if (request.url === '/v1/openapi.json') inJson(({ paths, ...more }) => ({ ...more, paths: { ...paths, '/v1/extra': paths['/v1/chains'], '/v1/chains': {} } }))(answer);
  });
  t.after(proxy.stop);
  const { differences: [what] } = await run({ rest: proxy.url, count: 1 });
  assert.deepEqual(what.found.map(({ path }) => path), ['GET /v1/extra of REST', 'GET /v1/chains']);
});

test('a run ends with 0, 1 or 2, repeats itself under its seed, and leaves a report', LIMIT, async (t) => {
  const proxy = await startTampering(server.url, (answer, request) => {
    if (isAbout('/v1/chains')(request) && served(answer)) answer.headers.etag = 'none';
  });
  t.after(proxy.stop);
  const json = join(folder, 'report.json');
  const ask = (rest, ...more) => main('--graphql', `${server.url}/graphql`, '--rest', rest, '--cases', '60', ...more);

  assert.equal((await ask(`${server.url}/v1`, '--seed', '3')).code, 0);
  const different = await ask(proxy.url, '--json', json, '--seed', '3');
  assert.equal(different.code, 1);
  assert.match(different.stdout, /at headers\.etag\n +GraphQL .*\n +REST +"none"\n/);
  const report = JSON.parse(await readFile(json, 'utf8'));
  assert.equal(report.seed, 3);
  assert.equal(report.cases, 60);
  assert.ok(report.differences.length > 0);
  const again = await ask(proxy.url, '--json', json, '--seed', '3');
  assert.equal(again.code, 1);
  assert.deepEqual(JSON.parse(await readFile(json, 'utf8')).differences.map(({ number }) => number), report.differences.map(({ number }) => number));

  await proxy.stop();
  const gone = await ask(proxy.url);
  assert.equal(gone.code, 2);
  assert.match(gone.stderr, /^cannot compare: /);
  assert.equal((await main('--rest', server.url)).code, 2);
});

test('what may be asked again later is asked again then', LIMIT, async (t) => {
  let refusals = 0;
  const proxy = await startTampering(server.url, (answer, request) => {
    if (isAbout('/v1/chains')(request) && refusals < 2) {
      refusals += 1;
      Object.assign(answer, { status: 429, body: '{}' });
      answer.headers['retry-after'] = '1';
    }
  });
  t.after(proxy.stop);
  const report = await run({ rest: proxy.url, count: 5, only: ['chains'] });
  assert.equal(refusals, 2);
  assert.deepEqual(report.differences, [], written(report));
});

test('two users with different histories are not compared', LIMIT, async () => {
  const users = newUsers();
  const headers = { authorization: `Bearer ${users.user.rest}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ query: 'mutation { updateEmotion(feedback: 1) { version } }' });
  assert.equal((await fetch(`${server.url}/graphql`, { method: 'POST', headers, body })).status, 200);
  await assert.rejects(run({ users }), /different histories/);
});

/** `compare/main.mjs`, as it is called from outside. */
function main(...args) {
  const file = fileURLToPath(new URL('./compare/main.mjs', import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [file, ...args], (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }));
  });
}

/** Lets the poller write some rounds, so that a history has pages. */
async function pricesHaveAPast() {
  const early = await startServer({ ...SETTINGS, PRICE_POLL_SECONDS: '5' });
  try {
    const query = `{ priceHistory(coin: "bitcoin", first: ${POINTS}) { edges { cursor } } }`;
    await until(`there are ${POINTS} prices`, async () => {
      const response = await fetch(`${early.url}/graphql?query=${encodeURIComponent(query)}`);
      return (await response.json()).data.priceHistory.edges.length === POINTS;
    }, undefined, 120_000);
  } finally {
    await early.stop();
  }
}

/** Transactions on the chain, one of which failed, and some that are signed and not sent. */
async function chainHasAPast() {
  const [rich, other, third] = await anvil.rpc('eth_accounts');
  const send = (more) => anvil.rpc('eth_sendTransaction', { from: rich, gas: '0x186a0', ...more });
  const sign = (nonce, more) => anvil.rpc('eth_signTransaction', { from: other, nonce, gas: '0x5208', gasPrice: '0x77359400', to: third, value: '0x1', ...more });
  // Code that only reverts: PUSH1 0, PUSH1 0, REVERT.
  const hashes = [await send({ to: other, value: '0xde0b6b3a7640000' }), await send({ to: third, data: '0x00', value: '0x0' }), await send({ data: '0x60006000fd' })];
  await until('what was sent is in blocks', async () => (await Promise.all(hashes.map((hash) => anvil.rpc('eth_getTransactionReceipt', hash)))).every(Boolean));
  const signed = [await sign('0x0'), await sign('0x1'), await sign('0x2', { value: '0xffffffffffffffffffffffff' }), await sign('0x0', { value: '0x2' })];
  return { chains: [CHAIN], hashes, signed };
}
