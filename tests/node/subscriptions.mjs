// What an application does through the public client graphql-ws, and what a client that breaks the protocol is told: against
// the local server, and, run by tests/subscriptions/node.rs, against the compiled functions behind an API Gateway.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { rawSocket, startBackend, startNetwork } from './sockets.mjs';

const LIMIT = { timeout: 60_000 };
const PRICES = 'subscription { priceUpdates(coins: ["bitcoin"]) { coin usd version } }';
const EMOTIONS = 'subscription ($user: ID!) { emotionChanges(userId: $user) { points version } }';
const FEEDBACK = 'mutation { updateEmotion(feedback: 1) { version } }';

const backend = await startBackend();
after(backend.stop);

/** A client of graphql-ws with that token, disposed at the end of the test. */
function clientOf(t, token, more = {}) {
  const connectionParams = token ? { authorization: `Bearer ${token}` } : undefined;
  const client = createClient({ url: backend.url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0, ...more });
  t.after(() => client.dispose());
  return client;
}

/** Somebody whose emotion only this test moves, and who watches it. */
function somebody(t) {
  const user = `node-${randomUUID()}`;
  const own = clientOf(t, backend.token(user));
  const feel = async () => (await one(own, FEEDBACK)).data.updateEmotion.version;
  return { user, feel, admin: backend.token('node-admin', 'ADMIN') };
}

/** The subscription to a user's emotion from its first change on, whenever that comes. */
const emotionsOf = (user) => ({ query: EMOTIONS, variables: { user }, extensions: { since: { version: 0 } } });

/** The only answer to a query or a mutation, which then completes. */
async function one(client, query) {
  const answers = [];
  for await (const answer of client.iterate({ query })) answers.push(answer);
  assert.equal(answers.length, 1);
  return answers[0];
}

async function version(updates) {
  const { value, done } = await updates.next();
  assert.equal(done, false, 'the subscription ended');
  assert.equal(value.errors, undefined);
  return Object.values(value.data)[0].version;
}

test('prices arrive one after the other, each newer than the last', LIMIT, async (t) => {
  const updates = clientOf(t, backend.token('node')).iterate({ query: PRICES });
  const versions = [await version(updates), await version(updates), await version(updates)];
  assert.deepEqual(versions, [...versions].sort((a, b) => a - b));
  assert.equal(new Set(versions).size, 3);
});

test('queries and mutations go over the same socket as subscriptions', LIMIT, async (t) => {
  const user = `node-${randomUUID()}`;
  let sockets = 0;
  const client = clientOf(t, backend.token(user, 'ADMIN'), { lazy: false, on: { connected: () => sockets++ } });
  const updates = client.iterate(emotionsOf(user));
  assert.deepEqual(await one(client, '{ __typename }'), { data: { __typename: 'Query' } });
  assert.deepEqual(await one(client, FEEDBACK), { data: { updateEmotion: { version: 1 } } });
  assert.equal(await version(updates), 1);
  assert.equal(sockets, 1);
});

test('an operation that fails is answered with errors, and one that is refused with an error', LIMIT, async (t) => {
  const client = clientOf(t, backend.token('node'));
  const failed = await one(client, 'mutation { updateEmotion(feedback: 1000) { version } }');
  assert.equal(failed.errors[0].extensions.code, 'BAD_USER_INPUT');
  for (const [who, request, code] of [
    [client, { query: 'subscription { nonsense }' }, 'BAD_USER_INPUT'],
    [client, { query: EMOTIONS, variables: { user: 'somebody' } }, 'FORBIDDEN'],
    [clientOf(t), { query: PRICES }, 'UNAUTHENTICATED'],
  ]) {
    await assert.rejects(who.iterate(request).next(), (errors) => errors[0].extensions.code === code);
  }
  assert.deepEqual(await one(client, '{ __typename }'), { data: { __typename: 'Query' } }, 'it is still connected');
});

test('who has enough is told no more', LIMIT, async (t) => {
  const { user, feel, admin } = somebody(t);
  const socket = await initialised(t, admin);
  for (const id of ['enough', 'more']) socket.send({ id, type: 'subscribe', payload: emotionsOf(user) });
  const round = async () => {
    const felt = await feel();
    const told = { enough: false, more: false };
    // Of one update both are told, in any order: `enough` may come after `more` and then counts for the next round.
    while (!told.more) {
      const { id, payload } = await socket.next();
      told[id] = true;
      if (id === 'more') assert.equal(payload.data.emotionChanges.version, felt);
    }
    return told.enough;
  };
  while (!(await round()));
  socket.send({ id: 'enough', type: 'complete' });
  // API Gateway may handle it after what comes later.
  for (let quiet = 0; quiet < 3; ) quiet = (await round()) ? 0 : quiet + 1;
  for (let rounds = 0; rounds < 3; rounds++) assert.equal(await round(), false);
});

test('a client whose network fails connects again and misses nothing', LIMIT, async (t) => {
  const { user, feel, admin } = somebody(t);
  const network = await startNetwork(backend.url);
  t.after(network.stop);
  let lost;
  const closed = new Promise((resolve) => (lost = resolve));
  const client = clientOf(t, admin, {
    url: network.url,
    retryAttempts: 100,
    // Also where the network fails in the middle of a handshake.
    shouldRetry: () => true,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
    on: { closed: lost },
  });
  const request = emotionsOf(user);
  const updates = client.iterate(request);
  // What the client knows goes with the operation whenever it is sent.
  const told = async () => (request.extensions.since.version = await version(updates));
  for (const expected of [1, 2, 3]) {
    await feel();
    assert.equal(await told(), expected);
  }
  network.cut();
  await closed;
  for (const _ of [4, 5]) await feel();
  network.mend();
  assert.deepEqual([await told(), await told()], [4, 5]);
  await feel();
  assert.equal(await told(), 6);
});

test('a token that has expired is refused, with the handshake and after it', LIMIT, async (t) => {
  const expired = backend.token('node', 'USER', -60);
  const headers = { authorization: `Bearer ${expired}` };
  await assert.rejects(rawSocket(backend.url, undefined, { headers }), /Unexpected server response: 401/);
  const socket = await raw(t);
  socket.send({ type: 'connection_init', payload: headers });
  assert.equal((await socket.closed).code, backend.saysWhy ? 4403 : 1000);
  // A normal end: the client would try again and again, without a pause, until it is one connection too many.
  if (!backend.saysWhy) return;
  await assert.rejects(clientOf(t, expired).iterate({ query: '{ __typename }' }).next(), ({ code }) => code === 4403);
});

test('a client that keeps asking whether the server is there hears that it is', LIMIT, async (t) => {
  let pongs = 0;
  await new Promise((resolve, reject) => {
    const pong = (received) => received && ++pongs === 3 && resolve();
    clientOf(t, undefined, { lazy: false, keepAlive: 100, on: { pong, closed: reject }, onNonLazyError: reject });
  });
  const socket = await raw(t);
  socket.send({ type: 'ping', payload: { who: 'node' } });
  assert.deepEqual(await socket.next(), { type: 'pong', payload: { who: 'node' } });
});

const subscribe = (id) => ({ id, type: 'subscribe', payload: { query: PRICES } });
const BREACHES = [
  ['what is no message', 4400, false, (socket) => socket.socket.send('garbage')],
  ['a message of an unknown type', 4400, false, (socket) => socket.send({ type: 'start' })],
  ['a binary frame', 4400, false, (socket) => socket.socket.send(Buffer.from([0, 1, 2, 0xff]))],
  ['a subscription without an introduction', 4401, false, (socket) => socket.send(subscribe('1'))],
  ['two introductions', 4429, true, (socket) => socket.send({ type: 'connection_init' })],
  ['two operations under one id', 4409, true, (socket) => ['1', '1'].map(subscribe).forEach(socket.send)],
  ['a megabyte', 1009, true, (socket) => socket.socket.send('x'.repeat(1024 * 1024))],
];
for (const [what, code, introduced, breach] of BREACHES) {
  test(`${what} ends the connection`, LIMIT, async (t) => {
    const socket = introduced ? await initialised(t, backend.token('node')) : await raw(t);
    breach(socket);
    const end = await socket.closed;
    assert.equal(end.code, backend.saysWhy || code === 1009 ? code : 1000, end.reason);
  });
}

/** A socket of the protocol that has said nothing. */
async function raw(t) {
  const socket = await rawSocket(backend.url);
  t.after(() => socket.socket.terminate());
  return socket;
}

/** The same after its introduction. */
async function initialised(t, token) {
  const socket = await raw(t);
  socket.send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } });
  assert.deepEqual(await socket.next(), { type: 'connection_ack' });
  return socket;
}

if (backend.saysWhy) {
  test('who never introduces itself is told so after ten seconds', LIMIT, async (t) => {
    const begun = Date.now();
    const { code } = await (await raw(t)).closed;
    assert.equal(code, 4408);
    assert.ok(Date.now() - begun > 9_500, `${Date.now() - begun} ms`);
  });

  test('another subprotocol is not spoken', LIMIT, async () => {
    const socket = await rawSocket(backend.url, []);
    assert.equal((await socket.closed).code, 4406);
    await assert.rejects(rawSocket(backend.url, ['graphql-ws']), 'a client that asks for one refuses to go on without');
  });

  test('a client that never reads is disconnected and hurts nobody', LIMIT, async (t) => {
    const { user, feel, admin } = somebody(t);
    const deaf = await initialised(t, admin);
    // Each change is 20 messages of 15 KB to it.
    const fields = Array.from({ length: 190 }, (_, n) => `a${n}: userId`).join(' ');
    const query = `subscription ($user: ID!) { emotionChanges(userId: $user) { ${fields} } }`;
    for (let n = 0; n < 20; n++) deaf.send({ id: `${n}`, type: 'subscribe', payload: { query, variables: { user } } });
    deaf.send({ type: 'ping' });
    assert.deepEqual(await deaf.next(), { type: 'pong' });
    deaf.socket._socket.pause();
    const updates = clientOf(t, admin).iterate(emotionsOf(user));
    for (let n = 1; n <= 60; n++) {
      await feel();
      assert.equal(await version(updates), n);
    }
    deaf.socket._socket.resume();
    assert.equal((await deaf.closed).code, 1013);
  });
}
