// The Model Context Protocol at /mcp, as its official clients see it: the TypeScript SDK of both generations, the inspector's command line,
// and requests by hand in every revision of the protocol.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { startServer } from './server.mjs';

const LIMIT = { timeout: 60_000 };
const WITH_INITIALIZE = ['2025-03-26', '2025-06-18', '2025-11-25'];
const WITHOUT_INITIALIZE = '2026-07-28';

// What reads for anybody, what reads for the caller, and what writes.
const PUBLIC = ['balance', 'chains', 'crypto_prices', 'estimate_fee', 'price_history', 'transaction'];
const PRIVATE = ['defi_swap_quote', 'emotion', 'memories'];
const WRITING = ['add_memory', 'delete_memory', 'send_transaction', 'update_emotion'];

const server = await startServer({ CORS_ORIGINS: 'https://app.example' });
const url = `${server.url}/mcp`;
const home = await mkdtemp(join(tmpdir(), 'mcp-inspector-'));
after(async () => {
  await server.stop();
  await rm(home, { recursive: true, force: true });
});

test('a client is told who it talks to and what that can do', LIMIT, async () => {
  const client = await connect();
  assert.equal(client.getServerVersion().name, 'mcp-server');
  assert.match(client.getServerVersion().version, /^\d+\.\d+\.\d+/);
  const { tools, resources, prompts } = client.getServerCapabilities();
  assert.ok(tools && resources && prompts);
  assert.equal(client.transport.sessionId, undefined);
  await client.ping();
});

test('tools are listed, with schemas of what they take and give', LIMIT, async () => {
  const { tools } = await (await connect()).listTools();
  assert.deepEqual(tools.map(({ name }) => name).sort(), [...PUBLIC, ...PRIVATE, ...WRITING].sort());
  for (const { name, title, description, inputSchema, outputSchema, annotations } of tools) {
    assert.ok(title && description, name);
    assert.equal(inputSchema.type, 'object', name);
    assert.equal(outputSchema.type, 'object', name);
    assert.equal(annotations.readOnlyHint, !WRITING.includes(name), name);
  }
  const { inputSchema } = tools.find(({ name }) => name === 'crypto_prices');
  assert.deepEqual(inputSchema.required, ['coins']);
  assert.equal(inputSchema.properties.coins.type, 'array');
});

test('the list is that of the context in GraphQL', LIMIT, async () => {
  const { data } = await graphql('{ mcp { tools { name title description inputSchema } personas { name } } }');
  const client = await connect();
  const { tools } = await client.listTools();
  const listed = tools.map(({ name, title, description, inputSchema }) => ({ name, title, description, inputSchema }));
  assert.deepEqual(listed.sort(byName), data.mcp.tools.sort(byName));
  const { prompts } = await client.listPrompts();
  assert.deepEqual(prompts.map(({ name }) => name).sort(), data.mcp.personas.map(({ name }) => name).sort());
});

test('anyone reads prices, as they are in GraphQL', LIMIT, async () => {
  const client = await connect();
  const { items } = await call(client, 'crypto_prices', { coins: ['ethereum', 'bitcoin'] });
  assert.deepEqual(items.map(({ coin }) => coin), ['ethereum', 'bitcoin']);
  for (const price of items) {
    assert.match(price.usd, /^\d+(\.\d+)?$/);
    assert.equal(price.source, 'simulated');
    assert.equal(price.stale, false);
    assert.ok(Date.parse(price.updatedAt) > 0);
  }
  const { data } = await graphql('{ cryptoPrices(coins: ["bitcoin"]) { coin usd change24h marketCap updatedAt source stale } }');
  const [price] = (await call(client, 'crypto_prices', { coins: ['bitcoin'] })).items;
  assert.deepEqual(Object.keys(price).sort(), Object.keys(data.cryptoPrices[0]).sort());
});

test('anyone reads a history, page by page, and the chains', LIMIT, async () => {
  const client = await connect();
  await call(client, 'crypto_prices', { coins: ['bitcoin'] });
  const page = await call(client, 'price_history', { coin: 'bitcoin', first: 1 });
  assert.ok(Array.isArray(page.items) && page.items.length <= 1);
  assert.equal(typeof page.hasNextPage, 'boolean');
  assert.deepEqual(await call(client, 'chains', {}), { items: [] });
});

test('a caller reads what is theirs', LIMIT, async () => {
  const client = await connect('reader');
  const emotion = await call(client, 'emotion', {});
  assert.equal(emotion.userId, 'reader');
  assert.equal(emotion.emotion, 'CURIOUS');
  const content = 'ETH gas is cheap on Sundays 🐢 "quoted"';
  const memory = await call(client, 'add_memory', { content });
  assert.equal(memory.content, content);
  const { items, hasNextPage } = await call(client, 'memories', { search: 'sundays' });
  assert.deepEqual(items.map(({ id }) => id), [memory.id]);
  assert.equal(hasNextPage, false);
  assert.deepEqual((await call(await connect('somebody-else'), 'memories', {})).items, []);
  await call(client, 'delete_memory', { id: memory.id });
  assert.deepEqual((await call(client, 'memories', {})).items, []);
});

test('feedback moves the emotion of the caller', LIMIT, async () => {
  const client = await connect('feeling');
  const moved = await call(client, 'update_emotion', { feedback: 40 });
  assert.equal(moved.userId, 'feeling');
  assert.equal(moved.emotion, 'EXCITED');
  assert.equal(moved.points, 40);
  const { data } = await graphql('{ emotion { points version } }', 'feeling');
  assert.deepEqual(data.emotion, { points: 40, version: 1 });
});

test('a tool that fails says so as a result, with its code', LIMIT, async () => {
  const client = await connect('mistaken');
  const unknown = await failed(client, 'crypto_prices', { coins: ['bitcoin', 'no-such-coin-at-all'] });
  assert.equal(unknown.code, 'NOT_FOUND');
  assert.deepEqual(unknown.coins, ['no-such-coin-at-all']);
  for (const [name, given] of [
    ['crypto_prices', { coins: [] }],
    ['update_emotion', { feedback: 101 }],
    ['add_memory', { content: '' }],
    ['memories', { first: 0 }],
  ]) {
    assert.equal((await failed(client, name, given)).code, 'BAD_USER_INPUT', name);
  }
  for (const name of ['balance', 'transaction']) {
    const { code } = await failed(client, name, { chain: 'atlantis', address: '0x1', hash: '0x1' });
    assert.ok(['BAD_USER_INPUT', 'NOT_FOUND'].includes(code), `${name}: ${code}`);
  }
});

test('arguments of another shape are refused, not guessed', LIMIT, async () => {
  const client = await connect('mistaken');
  for (const given of [{ coins: 'bitcoin' }, { coins: [1] }, {}, { coins: ['bitcoin'], more: true }]) {
    const outcome = await client.callTool({ name: 'crypto_prices', arguments: given }).catch((error) => error);
    const code = outcome.isError ? JSON.parse(outcome.content[0].text).code : outcome.code;
    assert.ok(code === 'BAD_USER_INPUT' || code === -32602, `${JSON.stringify(given)}: ${JSON.stringify(outcome)}`);
  }
});

test('a tool, a prompt, a resource or a method that there is not is an error of the protocol', LIMIT, async () => {
  const client = await connect();
  await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }), { code: -32602 });
  await assert.rejects(client.getPrompt({ name: 'no-such-persona' }), { code: -32602 });
  await assert.rejects(client.readResource({ uri: 'price://no-such-coin-at-all' }), ({ code }) => [-32002, -32602].includes(code));
  await assert.rejects(client.readResource({ uri: 'file:///etc/passwd' }), ({ code }) => [-32002, -32602].includes(code));
  const { error } = await (await post(message('tools/burn'))).json();
  assert.equal(error.code, -32601);
});

test('what needs a token is 401 without one, and says where to get it', LIMIT, async () => {
  const client = await connect();
  const given = { feedback: 1, content: 'x', id: '018f3f2e-0000-7000-8000-000000000000', chain: 'ethereum', signed: '0x00' };
  for (const name of [...PRIVATE, ...WRITING]) {
    await assert.rejects(client.callTool({ name, arguments: given }), ({ code }) => code === 401, name);
    const response = await post(message('tools/call', { name, arguments: given }));
    assert.equal(response.status, 401, name);
    const challenge = response.headers.get('www-authenticate');
    const metadata = /^Bearer .*resource_metadata="([^"]+)"/.exec(challenge)?.[1];
    assert.equal(metadata, `${server.url}/.well-known/oauth-protected-resource/mcp`, challenge);
  }
});

test('a message that can be read in two ways gets nobody past the guard', LIMIT, async () => {
  const quote = '{"chain": "ethereum", "fromToken": "ETH", "toToken": "USDC", "amount": "1", "coins": ["bitcoin"]}';
  const open = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "defi_swap_quote", "arguments": ';
  const deep = '['.repeat(300) + ']'.repeat(300);
  for (const body of [
    // Two of a name: which one counts?
    `${open}${quote}, "name": "crypto_prices"}}`,
    `${open.replace('{"name"', '{"name": "crypto_prices", "name"')}${quote}}}`,
    `${open}${quote}}, "method": "tools/list"}`,
    `${open}${quote}}, "params": {"name": "crypto_prices", "arguments": ${quote}}}`,
    // What one reader skips, and another cannot read.
    `${open}${quote}}, "more": ${deep}}`,
    `${open}${quote}, "more": ${deep}}}`,
    `${open}${quote}}, "more": 1e999}`,
    `${open}${quote}, "_meta": {"more": 1e999}}}`,
    `${open}${quote}}, "more": "\\ud800"}`,
    `\ufeff${open}${quote}}}`,
    `[${open}${quote}}}]`,
  ]) {
    const response = await post(body);
    const text = await response.text();
    const result = response.ok ? JSON.parse(text).result : undefined;
    // Refused, or answered as the tool that anybody may call (which does not take these arguments), or as the list of tools.
    const shape = result?.isError && /unknown field `\w+`, expected `coins`/.test(text);
    const fine = !result || result.structuredContent?.items?.[0].coin === 'bitcoin' || result.tools || shape;
    assert.ok(fine, `${body.slice(0, 200)}: ${response.status} ${text.slice(0, 300)}`);
    assert.ok(shape || !result?.isError, `it ran: ${body.slice(0, 200)}: ${text.slice(0, 300)}`);
  }
});

test('a token that is not valid is 401, even where none is needed', LIMIT, async () => {
  for (const authorization of ['Bearer nonsense', `Bearer ${server.token('late', 'USER', -60)}`, 'Basic YTpi']) {
    const response = await post(message('tools/list'), { authorization });
    assert.equal(response.status, 401, authorization);
    assert.match(response.headers.get('www-authenticate'), /resource_metadata=/);
  }
});

test('the metadata of the protected resource is that of RFC 9728', LIMIT, async () => {
  for (const path of ['', '/mcp']) {
    const response = await fetch(`${server.url}/.well-known/oauth-protected-resource${path}`);
    assert.equal(response.status, 200, path);
    assert.match(response.headers.get('content-type'), /^application\/json/);
    const metadata = await response.json();
    assert.equal(metadata.resource, `${server.url}/mcp`);
    assert.deepEqual(metadata.bearer_methods_supported, ['header']);
    for (const issuer of metadata.authorization_servers ?? []) assert.match(issuer, /^https:/);
  }
});

test('prices are resources', LIMIT, async () => {
  const client = await connect();
  const { resources } = await client.listResources();
  assert.ok(resources.some(({ uri }) => uri === 'price://bitcoin'), JSON.stringify(resources));
  assert.ok(resources.every(({ uri }) => uri.startsWith('price://')), JSON.stringify(resources));
  const { resourceTemplates } = await client.listResourceTemplates();
  assert.deepEqual(resourceTemplates.map(({ uriTemplate }) => uriTemplate).sort(), ['memory://{id}', 'price://{coin}']);
  const { contents: [{ uri, mimeType, text }] } = await client.readResource({ uri: 'price://bitcoin' });
  assert.equal(uri, 'price://bitcoin');
  assert.equal(mimeType, 'application/json');
  assert.equal(JSON.parse(text).coin, 'bitcoin');
});

test('memories are resources of their owner alone', LIMIT, async () => {
  const owner = await connect('owner');
  const { id } = await call(owner, 'add_memory', { content: 'a private thought' });
  const { resources } = await owner.listResources();
  assert.ok(resources.some(({ uri }) => uri === `memory://${id}`), JSON.stringify(resources));
  const { contents: [{ text }] } = await owner.readResource({ uri: `memory://${id}` });
  assert.match(text, /a private thought/);
  for (const other of [await connect('other'), await connect()]) {
    const listed = await other.listResources();
    assert.ok(!listed.resources.some(({ uri }) => uri.startsWith('memory:')), JSON.stringify(listed));
    await assert.rejects(other.readResource({ uri: `memory://${id}` }));
  }
});

test('a persona speaks otherwise to a happy caller than to a frustrated one', LIMIT, async () => {
  const texts = {};
  for (const [user, feedback, emotion] of [['glad', 80, 'HAPPY'], ['angry', -80, 'FRUSTRATED']]) {
    const client = await connect(user);
    assert.equal((await call(client, 'update_emotion', { feedback })).emotion, emotion);
    const { prompts } = await client.listPrompts();
    assert.ok(prompts.length >= 4);
    for (const { name } of prompts) {
      const { messages } = await client.getPrompt({ name });
      (texts[name] ??= []).push(messages.map(({ content }) => content.text).join('\n'));
    }
  }
  for (const [name, [happy, frustrated]] of Object.entries(texts)) {
    assert.ok(happy.length > 20 && frustrated.length > 20, name);
    assert.notEqual(happy, frustrated, name);
  }
});

for (const version of WITH_INITIALIZE) {
  test(`revision ${version} is spoken, one request at a time`, LIMIT, async () => {
    const headers = { 'mcp-protocol-version': version };
    const client = { protocolVersion: version, capabilities: {}, clientInfo: { name: 'by-hand', version: '1' } };
    const opened = await post(message('initialize', client));
    assert.equal(opened.status, 200);
    assert.match(opened.headers.get('content-type'), /^application\/json/);
    assert.equal(opened.headers.get('mcp-session-id'), null);
    assert.equal((await opened.json()).result.protocolVersion, version);
    const initialized = await post({ jsonrpc: '2.0', method: 'notifications/initialized' }, headers);
    assert.equal(initialized.status, 202);
    assert.equal(await initialized.text(), '');
    // There is no session, so a request needs none before it.
    const called = await post(message('tools/call', { name: 'crypto_prices', arguments: { coins: ['bitcoin'] } }), headers);
    assert.match(called.headers.get('content-type'), /^application\/json/);
    const { result } = await called.json();
    assert.equal(result.structuredContent.items[0].coin, 'bitcoin');
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
  });
}

test('a client of an older or an unknown revision is offered one that is spoken', LIMIT, async () => {
  for (const protocolVersion of ['2024-11-05', '1999-12-31']) {
    const client = { protocolVersion, capabilities: {}, clientInfo: { name: 'by-hand', version: '1' } };
    const { result } = await (await post(message('initialize', client))).json();
    assert.match(result.protocolVersion, /^20\d\d-\d\d-\d\d$/);
    assert.notEqual(result.protocolVersion, '1999-12-31');
  }
  assert.equal((await post(message('tools/list'), { 'mcp-protocol-version': '1999-12-31' })).status, 400);
});

test(`revision ${WITHOUT_INITIALIZE} is spoken by the client of the next generation`, LIMIT, async () => {
  const client = new NewClient(
    { name: 'next', version: '1' },
    { versionNegotiation: { mode: { pin: WITHOUT_INITIALIZE } } },
  );
  const authorization = `Bearer ${server.token('next')}`;
  await client.connect(new NewTransport(new URL(url), { requestInit: { headers: { authorization } } }));
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map(({ name }) => name).sort(), [...PUBLIC, ...PRIVATE, ...WRITING].sort());
  const prices = await client.callTool({ name: 'crypto_prices', arguments: { coins: ['bitcoin'] } });
  assert.equal(prices.structuredContent.items[0].coin, 'bitcoin');
  const moved = await client.callTool({ name: 'update_emotion', arguments: { feedback: 5 } });
  assert.equal(moved.structuredContent.userId, 'next');
  const { contents } = await client.readResource({ uri: 'price://bitcoin' });
  assert.equal(JSON.parse(contents[0].text).coin, 'bitcoin');
  await client.close();
});

test('there is nothing to listen to and no session to end', LIMIT, async () => {
  for (const method of ['GET', 'DELETE', 'PUT']) {
    const response = await fetch(url, { method, headers: { accept: 'text/event-stream, application/json' } });
    assert.equal(response.status, 405, method);
    assert.match(response.headers.get('allow'), /\bPOST\b/);
  }
});

test('a page of another site is refused, one of this machine or a configured one is not', LIMIT, async () => {
  for (const origin of ['https://evil.example', 'http://localhost.evil.example', 'https://app.example.evil.example', 'null']) {
    const response = await post(message('tools/list'), { origin });
    assert.equal(response.status, 403, origin);
    assert.doesNotMatch(await response.text(), /crypto_prices/);
  }
  for (const origin of ['http://localhost:6274', 'http://127.0.0.1:3000', 'https://app.example']) {
    assert.equal((await post(message('tools/list'), { origin })).status, 200, origin);
  }
});

test('what is no message of the protocol is refused as such', LIMIT, async () => {
  const refused = [
    ['{"jsonrpc": "2.0", "id": 1, "method": ', [400, 415]],
    ['', [400, 415]],
    ['"text"', [400, 415, 422]],
    ['[]', [400, 415, 422]],
    ['{"id": 1, "method": "tools/list"}', [400, 415, 422]],
    [JSON.stringify([message('tools/list'), message('tools/list')]), [400, 415, 422]],
    [`${'['.repeat(50_000)}${']'.repeat(50_000)}`, [400, 415, 422]],
    [JSON.stringify(message('tools/call', { name: 'add_memory', arguments: { content: 'x'.repeat(3 * 1024 * 1024) } })), [413]],
  ];
  for (const [body, statuses] of refused) {
    const response = await post(body);
    assert.ok(statuses.includes(response.status), `${response.status} for ${body.slice(0, 80)}`);
  }
  assert.equal((await post(message('tools/list'), { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post(message('tools/list'), { accept: 'text/html' })).status, 406);
  // And it goes on.
  assert.equal((await post(message('tools/list'))).status, 200);
});

test('every answer says that it is what it says', LIMIT, async () => {
  const response = await post(message('tools/list'));
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
  assert.match(response.headers.get('cache-control'), /no-store/);
  assert.ok(response.headers.get('x-correlation-id'));
});

test("the inspector's command line lists the tools", LIMIT, async () => {
  const { tools } = await inspect('--method', 'tools/list');
  assert.deepEqual(tools.map(({ name }) => name).sort(), [...PUBLIC, ...PRIVATE, ...WRITING].sort());
});

test("the inspector's command line finds no fault with the schemas", LIMIT, async () => {
  await inspect('--method', 'tools/list', '--strict');
});

test("the inspector's command line calls a tool", LIMIT, async () => {
  const called = await inspect('--method', 'tools/call', '--tool-name', 'crypto_prices', '--tool-arg', 'coins=["bitcoin"]');
  assert.equal(called.structuredContent.items[0].coin, 'bitcoin');
  assert.deepEqual(JSON.parse(called.content[0].text), called.structuredContent);
});

test("the inspector's command line gives feedback with a token, and is told that it needs one", LIMIT, async () => {
  const feedback = ['--method', 'tools/call', '--tool-name', 'update_emotion', '--tool-arg', 'feedback=30'];
  const moved = await inspect(...feedback, '--header', `authorization: Bearer ${server.token('inspector')}`);
  assert.equal(moved.structuredContent.userId, 'inspector');
  assert.equal(moved.structuredContent.points, 30);
  await assert.rejects(inspect(...feedback), ({ code }) => code === 3);
});

test("the inspector's command line reads a resource and a prompt", LIMIT, async () => {
  const { contents } = await inspect('--method', 'resources/read', '--uri', 'price://bitcoin');
  assert.equal(JSON.parse(contents[0].text).coin, 'bitcoin');
  const { prompts } = await inspect('--method', 'prompts/list');
  const { messages } = await inspect('--method', 'prompts/get', '--prompt-name', prompts[0].name);
  assert.ok(messages[0].content.text.length > 20);
});

/** The SDK's client, connected: as `user`, or as nobody. */
async function connect(user) {
  const client = new Client({ name: 'node-tests', version: '1' });
  const headers = user && { authorization: `Bearer ${server.token(user)}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  // So that it knows the schemas of the answers, and holds each answer against its own.
  await client.listTools();
  return client;
}

/** What a tool gives; the same as text. */
async function call(client, name, given) {
  const { isError, content, structuredContent } = await client.callTool({ name, arguments: given });
  assert.ok(!isError, JSON.stringify(content));
  assert.deepEqual(JSON.parse(content[0].text), structuredContent);
  return structuredContent;
}

/** What a tool that fails says of that, as text: what is structured must be as its schema says. */
async function failed(client, name, given) {
  const { isError, content } = await client.callTool({ name, arguments: given });
  assert.equal(isError, true, `${name} ${JSON.stringify(given)}: ${JSON.stringify(content)}`);
  const told = JSON.parse(content[0].text);
  assert.ok(told.message, content[0].text);
  return told;
}

function message(method, params = {}) {
  return { jsonrpc: '2.0', id: 1, method, params };
}

function post(body, headers = {}) {
  return fetch(url, {
    method: 'POST',
    headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

async function graphql(query, user) {
  const headers = { 'content-type': 'application/json', ...(user && { authorization: `Bearer ${server.token(user)}` }) };
  const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
  return response.json();
}

function byName(one, other) {
  return one.name < other.name ? -1 : 1;
}

/** What the inspector prints; it keeps its own files away from the user's. */
async function inspect(...given) {
  const inspector = fileURLToPath(new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url));
  const options = { env: { PATH: process.env.PATH, HOME: home }, timeout: LIMIT.timeout };
  const { stdout } = await promisify(execFile)(process.execPath, [inspector, '--cli', url, '--transport', 'http', ...given], options);
  return JSON.parse(stdout);
}
