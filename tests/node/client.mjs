// What an application in Node does with the API, through the clients that it would use.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { GraphQLClient, gql } from 'graphql-request';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';

import { startServer } from './server.mjs';

const LIMIT = { timeout: 60_000 };

const server = await startServer();
after(server.stop);
const token = server.token('node-client');

const anonymous = () => new GraphQLClient(`${server.url}/graphql`);
const user = () => new GraphQLClient(`${server.url}/graphql`, { headers: { authorization: `Bearer ${token}` } });

const FEEDBACK = gql`
  mutation ($feedback: Int!) {
    updateEmotion(feedback: $feedback) { userId emotion points version updatedAt }
  }
`;

test('anyone reads prices, in the order asked, as decimals in strings', LIMIT, async () => {
  const { cryptoPrices } = await anonymous().request(
    gql`
      query ($coins: [String!]!) {
        cryptoPrices(coins: $coins) { coin usd change24h updatedAt source stale }
      }
    `,
    { coins: ['ethereum', 'bitcoin'] },
  );
  assert.deepEqual(cryptoPrices.map((price) => price.coin), ['ethereum', 'bitcoin']);
  for (const price of cryptoPrices) {
    assert.match(price.usd, /^\d+(\.\d+)?$/);
    assert.equal(price.source, 'simulated');
    assert.ok(Date.parse(price.updatedAt) > 0);
  }
});

test('without a token a mutation is UNAUTHENTICATED', LIMIT, async () => {
  await assert.rejects(anonymous().request(FEEDBACK, { feedback: 10 }), (error) => {
    assert.equal(error.response.errors[0].extensions.code, 'UNAUTHENTICATED');
    return true;
  });
});

test('feedback moves the emotion of the caller', LIMIT, async () => {
  const { updateEmotion } = await user().request(FEEDBACK, { feedback: 40 });
  assert.equal(updateEmotion.userId, 'node-client');
  assert.equal(updateEmotion.emotion, 'EXCITED');
  assert.equal(updateEmotion.points, 40);
  assert.equal(updateEmotion.version, 1);
});

test('feedback out of range is BAD_USER_INPUT', LIMIT, async () => {
  await assert.rejects(user().request(FEEDBACK, { feedback: 101 }), (error) => {
    assert.equal(error.response.errors[0].extensions.code, 'BAD_USER_INPUT');
    return true;
  });
});

test('a memory is kept as it was written', LIMIT, async () => {
  const content = 'ETH gas is cheap on Sundays 🐢 "quoted"';
  const { addMemory } = await user().request(
    gql`
      mutation ($content: String!) {
        addMemory(content: $content) { id content createdAt }
      }
    `,
    { content },
  );
  assert.equal(addMemory.content, content);
  assert.ok(addMemory.id);
});

test('a subscriber gets a price update', LIMIT, async () => {
  const query = gql`subscription { priceUpdates(coins: ["bitcoin"]) { coin usd updatedAt source } }`;
  const { data, errors } = await firstOf(query, { authorization: `Bearer ${token}` });
  assert.equal(errors, undefined);
  assert.equal(data.priceUpdates.coin, 'bitcoin');
  assert.match(data.priceUpdates.usd, /^\d+(\.\d+)?$/);
});

/** The first answer to a subscription, over a connection of its own. */
async function firstOf(query, connectionParams) {
  const url = `${server.websocketUrl}/graphql/ws`;
  const client = createClient({ url, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
  try {
    for await (const answer of client.iterate({ query })) return answer;
    throw new Error('the subscription ended without an update');
  } finally {
    await client.dispose();
  }
}
