// Subscriptions without websockets: the public client graphql-sse ("distinct connections") against the local server.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { createClient } from 'graphql-sse';

import { startServer } from './server.mjs';

const LIMIT = { timeout: 60_000 };
const EMOTIONS = 'subscription { emotionChanges(userId: "node-sse") { points version } }';
const FEEDBACK = 'mutation { updateEmotion(feedback: 1) { version } }';

const server = await startServer();
after(server.stop);

function clientOf(t, token, more = {}) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const client = createClient({ url: `${server.url}/graphql`, headers, retryAttempts: 0, ...more });
  t.after(() => client.dispose());
  return client;
}

test('a subscriber is told of what happens, and of what it missed when it comes again', LIMIT, async (t) => {
  const client = clientOf(t, server.token('node-sse', 'ADMIN'));
  const since = (version) => ({ query: EMOTIONS, extensions: { since: { version } } });
  const updates = client.iterate(since(0));
  for (const version of [1, 2]) {
    assert.deepEqual(await all(client, FEEDBACK), [{ data: { updateEmotion: { version } } }]);
    assert.equal((await updates.next()).value.data.emotionChanges.version, version);
  }
  await updates.return();
  await all(client, FEEDBACK);
  const again = client.iterate(since(2));
  assert.equal((await again.next()).value.data.emotionChanges.version, 3);
  await again.return();
});

test('prices arrive', LIMIT, async (t) => {
  const query = 'subscription { priceUpdates(coins: ["bitcoin"]) { coin usd } }';
  const updates = clientOf(t, server.token('node-sse')).iterate({ query });
  assert.equal((await updates.next()).value.data.priceUpdates.coin, 'bitcoin');
  await updates.return();
});

test('what is refused is told so', LIMIT, async (t) => {
  for (const [client, code] of [[clientOf(t), 'UNAUTHENTICATED'], [clientOf(t, server.token('node-sse')), 'FORBIDDEN']]) {
    const [answer, ...rest] = await all(client, EMOTIONS);
    assert.equal(answer.errors[0].extensions.code, code);
    assert.deepEqual(rest, []);
  }
});

test('a token that has expired opens nothing', LIMIT, async (t) => {
  const client = clientOf(t, server.token('node-sse', 'USER', -60));
  await assert.rejects(all(client, '{ __typename }'), (error) => error.response?.status === 401);
});

/** All answers to an operation that completes. */
async function all(client, query) {
  const answers = [];
  for await (const answer of client.iterate({ query })) answers.push(answer);
  return answers;
}
