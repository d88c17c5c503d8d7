// Every query and mutation, as REST asks it, and both answers in one shape: that of REST's body.

/** How each is asked: `rest(args, style)` gives `{ method, path, query, body }`, `shape(value, args)` turns GraphQL's value into
 * what REST's body has to be. */
export const OPERATIONS = {
  cryptoPrices: {
    rest: ({ coins, ...more }, style) => get('/v1/prices', { ...coinsOf(coins, style), ...more }),
    shape: (items) => ({ items }),
  },
  priceResults: {
    rest: ({ coins, ...more }, style) => get('/v1/price-results', { ...coinsOf(coins, style), ...more }),
    shape: (results, { coins }) => ({ items: results.map((result, place) => outcome(coins[place], result)) }),
  },
  priceHistory: {
    rest: ({ coin, ...filter }) => get(`/v1/prices/${segment(coin)}/history`, filter),
    shape: page,
    paged: true,
  },
  defiSwapQuote: {
    rest: ({ input }) => get('/v1/swap-quotes', input),
  },
  emotion: {
    rest: (args) => get('/v1/emotion', args),
    ownTo: 'caller',
  },
  updateEmotion: {
    rest: (args) => ({ method: 'POST', path: '/v1/emotion', body: args }),
    mutation: true,
    ownTo: 'caller',
  },
  memories: {
    rest: (args) => get('/v1/memories', args),
    shape: page,
    paged: true,
    ownTo: 'caller',
  },
  addMemory: {
    rest: (args) => ({ method: 'POST', path: '/v1/memories', body: args }),
    status: 201,
    mutation: true,
    ownTo: 'caller',
  },
  deleteMemory: {
    rest: ({ id, ...more }) => ({ method: 'DELETE', path: `/v1/memories/${segment(id)}`, query: more }),
    // REST has nothing to add: who asked knows the id.
    shape: () => undefined,
    status: 204,
    mutation: true,
    ownTo: 'caller',
  },
  mcp: {
    rest: (args) => get('/v1/context', args),
  },
  chains: {
    rest: (args) => get('/v1/chains', args),
    shape: (items) => ({ items }),
  },
  balance: {
    rest: ({ chain, address, ...more }) => get(`/v1/chains/${segment(chain)}/balances/${segment(address)}`, more),
  },
  transaction: {
    rest: ({ chain, hash, ...more }) => get(`/v1/chains/${segment(chain)}/transactions/${segment(hash)}`, more),
  },
  estimateFee: {
    rest: ({ chain, transaction }) => ({ method: 'POST', path: `/v1/chains/${segment(chain)}/fee-estimates`, body: transaction }),
  },
  sendTransaction: {
    rest: ({ chain, ...body }) => ({ method: 'POST', path: `/v1/chains/${segment(chain)}/transactions`, body }),
    status: 202,
    mutation: true,
  },
};

/** What REST has and GraphQL has as part of a list: one memory, which GraphQL's side is found in. */
export const ONE_MEMORY = 'GET /v1/memories/{id}';

/** Method and path of each, with braces around what changes, as OpenAPI writes them. */
export const ROUTES = [
  'GET /v1/prices',
  'GET /v1/price-results',
  'GET /v1/prices/{coin}/history',
  'GET /v1/swap-quotes',
  'GET /v1/emotion',
  'POST /v1/emotion',
  'GET /v1/memories',
  'POST /v1/memories',
  ONE_MEMORY,
  'DELETE /v1/memories/{id}',
  'GET /v1/context',
  'GET /v1/chains',
  'GET /v1/chains/{chain}/balances/{address}',
  'GET /v1/chains/{chain}/transactions/{hash}',
  'POST /v1/chains/{chain}/fee-estimates',
  'POST /v1/chains/{chain}/transactions',
];

function get(path, query = {}) {
  return { method: 'GET', path, query };
}

/** The two ways to write a list: `coins=a,b` and `coins=a&coins=b`. Neither can write an empty one: that is `coins=`. */
function coinsOf(coins, { repeated = false } = {}) {
  if (!Array.isArray(coins)) return coins === undefined ? {} : { coins };
  return { coins: repeated && coins.length > 0 ? coins : coins.join(',') };
}

function segment(text) {
  return encodeURIComponent(text);
}

function page({ edges, pageInfo, ...more }) {
  return { items: edges.map((edge) => edge.node), ...pageInfo, ...more };
}

function outcome(coin, { __typename: type, ...result }) {
  return type === 'Price' ? { coin, price: result, error: null } : { coin, price: null, error: result };
}
