// This server as a subgraph: its SDL composes with another's in Apollo's library, and Apollo's gateway in front answers queries over both.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { composeServices } from '@apollo/composition';
import { ApolloGateway, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginInlineTraceDisabled } from '@apollo/server/plugin/disabled';
import { startStandaloneServer } from '@apollo/server/standalone';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { parse, visit } from 'graphql';

import { startServer } from './server.mjs';

const LIMIT = { timeout: 60_000 };

const HOLDERS = { bitcoin: 7, ethereum: 5 };
const NICKNAMES = { ann: 'Annie', bob: 'Bobby' };

// A portfolio service: it knows who holds what, and nothing of prices and emotions but their keys.
const portfolio = buildSubgraphSchema([{
  typeDefs: parse(`
    extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])

    type Query {
      holdings: [Holding!]!
      profile(userId: ID!): Profile!
    }
    type Holding @key(fields: "id") {
      id: ID!
      amount: String!
      price: Price!
    }
    type Profile {
      emotion: EmotionState!
    }
    type Price @key(fields: "coin") {
      coin: ID!
      holders: Int!
    }
    type EmotionState @key(fields: "userId") {
      userId: ID!
      nickname: String!
    }
  `),
  resolvers: {
    Query: {
      holdings: () => Object.keys(HOLDERS).map((coin, id) => ({ id, amount: `${id + 1}.5`, price: { coin } })),
      profile: (_, { userId }) => ({ emotion: { userId } }),
    },
    Price: { holders: ({ coin }) => HOLDERS[coin] ?? 0 },
    EmotionState: { nickname: ({ userId }) => NICKNAMES[userId] },
  },
}]);

const stops = [];
after(async () => {
  for (const stop of stops.reverse()) await stop();
});

const server = await startServer();
stops.push(server.stop);
const portfolioUrl = await serve(new ApolloServer({ schema: portfolio, plugins: [ApolloServerPluginInlineTraceDisabled()] }));
const ours = await sdlOf(`${server.url}/graphql`);
const composed = composeServices([
  { name: 'mcp', url: `${server.url}/graphql`, typeDefs: parse(ours) },
  { name: 'portfolio', url: portfolioUrl, typeDefs: parse(await sdlOf(portfolioUrl)) },
]);
const { supergraphSdl } = composed;
const gatewayUrl = supergraphSdl && (await serve(new ApolloServer({ gateway: gateway(supergraphSdl) })));

test('the two subgraphs compose', LIMIT, () => {
  assert.deepEqual(composed.errors?.map(String) ?? [], []);
  assert.deepEqual(composed.hints.filter((hint) => hint.definition.level.name === 'WARN').map(String), []);
});

test('the SDL alone composes too', LIMIT, () => {
  const alone = composeServices([{ name: 'mcp', url: `${server.url}/graphql`, typeDefs: parse(ours) }]);
  assert.deepEqual(alone.errors?.map(String) ?? [], []);
});

test('the keys are those of prices, emotions and memories', LIMIT, () => {
  const keys = {};
  visit(parse(ours), {
    ObjectTypeDefinition(type) {
      for (const { name, arguments: [fields] } of type.directives) {
        if (name.value === 'key') keys[type.name.value] = fields.value.value;
      }
    },
  });
  assert.deepEqual(keys, { EmotionState: 'userId', Memory: 'id', Price: 'coin' });
});

test('guards, limits and ages are in the supergraph', LIMIT, () => {
  const defined = new Set();
  const applied = {};
  visit(parse(supergraphSdl), {
    DirectiveDefinition: (directive) => void defined.add(directive.name.value),
    ObjectTypeDefinition(type) {
      for (const field of type.fields) {
        const names = field.directives.map(({ name, arguments: given }) => {
          const shown = given.map((argument) => `${argument.name.value}: ${argument.value.value}`);
          return `${name.value}(${shown.join(', ')})`;
        });
        applied[`${type.name.value}.${field.name.value}`] = names;
      }
    },
  });
  for (const name of ['auth', 'rateLimit', 'cacheControl']) assert.ok(defined.has(name), `@${name} is gone`);
  assert.ok(applied['Mutation.updateEmotion'].includes('auth(requires: USER)'), applied['Mutation.updateEmotion']);
  assert.ok(applied['Query.cryptoPrices'].includes('rateLimit(limit: 100, duration: 60)'), applied['Query.cryptoPrices']);
  assert.ok(applied['Query.mcp'].includes('cacheControl(maxAge: 300)'), applied['Query.mcp']);
});

test('prices of ours have holders of theirs', LIMIT, async () => {
  const { data, errors } = await ask('{ cryptoPrices(coins: ["ethereum", "bitcoin"]) { coin usd source holders } }');
  assert.equal(errors, undefined);
  assert.deepEqual(data.cryptoPrices.map(({ coin, holders }) => [coin, holders]), [['ethereum', 5], ['bitcoin', 7]]);
  for (const price of data.cryptoPrices) assert.match(price.usd, /^\d+(\.\d+)?$/);
});

test('holdings of theirs have prices of ours, by their keys', LIMIT, async () => {
  const { data, errors } = await ask('{ holdings { amount price { coin usd source holders } } }');
  assert.equal(errors, undefined);
  assert.deepEqual(data.holdings.map(({ amount, price }) => [amount, price.coin]), [['1.5', 'bitcoin'], ['2.5', 'ethereum']]);
  const { cryptoPrices } = (await ask('{ cryptoPrices(coins: ["bitcoin", "ethereum"]) { coin usd } }')).data;
  for (const [place, { price }] of data.holdings.entries()) {
    assert.match(price.usd, /^\d+(\.\d+)?$/);
    assert.equal(price.source, 'simulated');
    assert.equal(price.coin, cryptoPrices[place].coin);
  }
});

test('a coin that nobody knows is an error of its place, and the others have their prices', LIMIT, async () => {
  const query = 'query ($of: [_Any!]!) { _entities(representations: $of) { ... on Price { coin usd } } }';
  const of = ['bitcoin', 'no-such-coin-at-all'].map((coin) => ({ __typename: 'Price', coin }));
  const { data, errors } = await post(`${server.url}/graphql`, { query, variables: { of } });
  assert.equal(data._entities[0].coin, 'bitcoin');
  assert.equal(data._entities[1], null);
  for (const error of errors ?? []) assert.deepEqual(error.path.slice(0, 2), ['_entities', 1]);
});

const PROFILE = 'query ($userId: ID!) { profile(userId: $userId) { emotion { userId nickname emotion points } } }';

test('a caller is told of their own emotion, across both', LIMIT, async () => {
  const feedback = await ask('mutation { updateEmotion(feedback: 60) { points nickname } }', {}, server.token('ann'));
  assert.deepEqual(feedback, { data: { updateEmotion: { points: 60, nickname: 'Annie' } } });
  const { data, errors } = await ask(PROFILE, { userId: 'ann' }, server.token('ann'));
  assert.equal(errors, undefined);
  assert.deepEqual(data.profile.emotion, { userId: 'ann', nickname: 'Annie', emotion: 'HAPPY', points: 60 });
});

test("nobody is told of somebody else's emotion", LIMIT, async () => {
  for (const [token, code] of [[server.token('bob'), 'FORBIDDEN'], [undefined, 'UNAUTHENTICATED']]) {
    const { data, errors } = await ask(PROFILE, { userId: 'ann' }, token);
    assert.equal(errors[0].extensions.code, code, JSON.stringify(errors));
    assert.doesNotMatch(JSON.stringify(data ?? null), /HAPPY|60/);
  }
});

test("nobody is told of somebody else's memory by its id", LIMIT, async () => {
  const added = await ask('mutation { addMemory(content: "a private thought") { id } }', {}, server.token('ann'));
  const query = 'query ($of: [_Any!]!) { _entities(representations: $of) { ... on Memory { id content } } }';
  const variables = { of: [{ __typename: 'Memory', id: added.data.addMemory.id }] };
  const own = await post(`${server.url}/graphql`, { query, variables }, server.token('ann'));
  assert.equal(own.data._entities[0].content, 'a private thought');
  for (const token of [server.token('bob'), undefined]) {
    const other = await post(`${server.url}/graphql`, { query, variables }, token);
    assert.doesNotMatch(JSON.stringify(other), /private thought/);
    assert.ok(other.errors?.length > 0 || other.data._entities[0] === null, JSON.stringify(other));
  }
});

test('a guard holds behind the gateway', LIMIT, async () => {
  const { errors } = await ask('{ emotion { points } holdings { amount } }');
  assert.equal(errors[0].extensions.code, 'UNAUTHENTICATED', JSON.stringify(errors));
});

function ask(query, variables = {}, token = undefined) {
  return post(gatewayUrl, { query, variables }, token);
}

async function post(url, body, token) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return response.json();
}

async function sdlOf(url) {
  const { data, errors } = await post(url, { query: '{ _service { sdl } }' });
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data._service.sdl;
}

/** In front of both, with the caller's token handed on. */
function gateway(sdl) {
  return new ApolloGateway({
    supergraphSdl: sdl,
    buildService: ({ url }) =>
      new RemoteGraphQLDataSource({
        url,
        willSendRequest({ request, context }) {
          if (context.authorization) request.http.headers.set('authorization', context.authorization);
        },
      }),
  });
}

async function serve(apollo) {
  const context = async ({ req }) => ({ authorization: req.headers.authorization });
  const { url } = await startStandaloneServer(apollo, { listen: { port: 0, host: '127.0.0.1' }, context });
  stops.push(() => apollo.stop());
  return url;
}
