// The cases of a run: what is asked, by whom, and how. They follow from the seed, and from what there is to ask about.
import { OPERATIONS } from './operations.mjs';
import { Random } from './random.mjs';

const COINS = ['bitcoin', 'ethereum', 'tether', 'binancecoin', 'solana', 'ripple', 'usd-coin', 'cardano', 'dogecoin', 'chainlink'];
/** Known to the simulated source, and polled by nobody. */
const UNPOLLED = ['litecoin', 'uniswap', 'tron'];
const UNKNOWN = ['not-a-coin', 'bitcoin2', 'x', 'a.b_c-d', 'f'.repeat(64)];
const NO_COINS = ['bit coin', 'bitcoin!', 'ßitcoin', '../x', 'a'.repeat(65), '🪙', 'a/b', 'a?b=c&d', '%41', '+'];
const CURSORS_OF_NOTHING = ['', 'x', 'v42', 'djk5OTk5OTk5OTk5OTk', 'é', 'dg==', 'a b+c'];
const NO_INTEGERS = ['abc', 1.5, 2_147_483_648, -3_000_000_000];
/** Nothing so large that GraphQL would refuse it for its cost, before anybody looks at it. */
const NO_PAGE_SIZES = ['abc', 1.5, -3_000_000_000];
const WORDS = ['gas', 'Sunday', 'ETH', 'swap', 'ärger', 'naïve', '🐢', 'limit', 'cheap', '"quoted"', 'a%b', 'under_score', '日本'];
const ADDRESSES = [
  '0x0000000000000000000000000000000000000000',
  '0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045',
  '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266',
];
const SOLANA_ADDRESSES = ['11111111111111111111111111111111', 'So11111111111111111111111111111111111111112'];
/** The first has the wrong capitals, which are a checksum. */
const NO_ADDRESSES = ['0xD8DA6BF26964AF9D7EED9E03E53415D37AA96045', '0OIl', '0x0', 'nobody', '0xd8da6bf26964af9d7eed9e03e53415d37aa9604Z', 'a/b', '0x', 'é', '%2F', ' '];
const NO_CHAINS = ['nochain', 'eip155:999999', 'solana:x', 'bitcoin', 'a/b', 'é', '%', 'ethereum?x=1', 'x'.repeat(100), ' '];
/** What `Authorization` may hold that no token is. */
const BAD_TOKENS = [
  'Bearer x.y.z',
  'Bearer',
  'Basic dXNlcjpwYXNz',
  'token',
  'Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhIiwicm9sZSI6IlVTRVIiLCJpYXQiOjEsImV4cCI6NDEwMjQ0NDgwMH0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
];
const BAD_KEYS = ['two words', 'k'.repeat(256)];

/** How often each is asked, beside the others. */
const WEIGHTS = {
  cryptoPrices: 4,
  priceResults: 3,
  priceHistory: 5,
  defiSwapQuote: 3,
  emotion: 2,
  updateEmotion: 4,
  memories: 5,
  memory: 2,
  addMemory: 5,
  deleteMemory: 3,
  mcp: 3,
  chains: 1,
  balance: 3,
  transaction: 3,
  estimateFee: 3,
  sendTransaction: 3,
};

/**
 * `count` cases. `callers` are who can ask (`anonymous`, `bad token`, `user`, `admin`), `writes` whether anything may be changed,
 * `world` what is there to be asked about: `chains`, `hashes` and `signed` transactions. `only`: the operations, if not all.
 */
export function generate({ count, seed, only, ...setting }) {
  const names = Object.keys(WEIGHTS).filter((name) => (!only || only.includes(name)) && (setting.writes || !OPERATIONS[name]?.mutation));
  if (names.length === 0) throw new Error('there is no operation to ask for');
  const plan = new Plan(new Random(seed), names, setting);
  return Array.from({ length: count }, (_, place) => plan.next(place + 1));
}

class Plan {
  #random;
  #callers;
  #world;
  #operations;
  #turn = [];
  #kinds = new Map();
  #memories = { user: [], admin: [] };
  #deleted = { user: [], admin: [] };

  constructor(random, names, { callers, world }) {
    this.#random = random;
    this.#callers = callers;
    this.#world = { chains: [], hashes: [], signed: [], ...world };
    this.#operations = names.flatMap((name) => Array(WEIGHTS[name]).fill(name));
  }

  /** Every operation and every kind of its cases has its turn before one comes again. */
  next(number) {
    if (this.#turn.length === 0) this.#turn = this.#random.some(this.#operations, this.#operations.length);
    const operation = this.#turn.pop();
    const kinds = KINDS[operation];
    if (!this.#kinds.get(operation)?.length) this.#kinds.set(operation, this.#random.some(Object.keys(kinds), Object.keys(kinds).length));
    const note = this.#kinds.get(operation).pop();
    const caller = this.#caller(operation);
    const scene = { random: this.#random, world: this.#world, memories: this.#memories[caller] ?? [], deleted: this.#deleted[caller] ?? [] };
    const asked = { number, operation, note, caller, args: {}, ...kinds[note](scene) };
    if (caller === 'bad token') asked.token = this.#random.pick(BAD_TOKENS);
    Object.assign(asked, this.#how(asked));
    this.#remember(asked);
    return asked;
  }

  #caller(operation) {
    const share = this.#random.next();
    const open = !NEEDS_USER.has(operation);
    const wanted = share < 0.06 ? 'bad token' : share < 0.12 || (open && share < 0.5) ? 'anonymous' : share < 0.85 ? 'user' : 'admin';
    if (this.#callers.includes(wanted)) return wanted;
    return this.#callers.includes('user') ? 'user' : 'anonymous';
  }

  /** What is done beside asking: under a key, again, under a condition, without the body. */
  #how({ operation, follow, typed }) {
    const random = this.#random;
    const how = {};
    const coins = operation === 'cryptoPrices' || operation === 'priceResults';
    if (coins) how.style = { repeated: random.chance(0.5) };
    if (OPERATIONS[operation]?.mutation) {
      if (random.chance(0.35)) how.key = `compare-${random.hex(16)}`;
      // Handing in a transaction again is safe by itself: its hash is its key.
      if (how.key && operation !== 'sendTransaction' && !typed) how.again = random.pick(['same', 'same', 'other input', 'other face']);
    } else if (!follow) {
      const share = random.next();
      if (share < 0.3) how.condition = random.pick(['its ETag', 'its ETag among others', 'its ETag, weak', 'any', 'another ETag']);
      else if (share < 0.4) how.head = true;
    }
    if (random.chance(0.03)) Object.assign(how, { key: random.pick(BAD_KEYS), again: undefined });
    return how;
  }

  #remember({ operation, caller, number, args, typed, key }) {
    const [memories, deleted] = [this.#memories[caller], this.#deleted[caller]];
    if (!memories || typed || BAD_KEYS.includes(key)) return;
    if (operation === 'addMemory' && isContent(args.content)) memories.push(number);
    if (operation === 'deleteMemory' && args.id?.made !== undefined) {
      const place = memories.indexOf(args.id.made);
      if (place >= 0) deleted.push(...memories.splice(place, 1));
    }
  }
}

const NEEDS_USER = new Set(['defiSwapQuote', 'emotion', 'updateEmotion', 'memories', 'memory', 'addMemory', 'deleteMemory', 'sendTransaction']);

/** What each operation is asked. `typed`: GraphQL's type system refuses it. */
const KINDS = {
  cryptoPrices: pricesOf(),
  priceResults: pricesOf(),
  priceHistory: {
    'all at once': ({ random }) => ({ args: { coin: random.pick(COINS) } }),
    'page by page': ({ random }) => ({ args: { coin: random.pick(COINS), first: random.whole(1, 3) }, follow: true }),
    'page by page, a time range': ({ random }) => ({ args: { coin: random.pick(COINS), first: 2, from: '2020-01-01T00:00:00Z', to: '2100-01-01T00:00:00+01:00' }, follow: true }),
    'before all': ({ random }) => ({ args: { coin: random.pick(COINS), to: '2020-01-01T00:00:00Z' } }),
    'after all': ({ random }) => ({ args: { coin: random.pick(COINS), from: '2100-01-01T00:00:00.123456Z' } }),
    'a range the wrong way round': ({ random }) => ({ args: { coin: random.pick(COINS), from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' } }),
    'no time': ({ random }) => ({ args: { coin: random.pick(COINS), [random.pick(['from', 'to'])]: random.pick(['yesterday', '2026-13-01T00:00:00Z', '', '1795000000']) }, typed: true }),
    'nobody polls it': ({ random }) => ({ args: { coin: random.pick([...UNPOLLED, ...UNKNOWN]) } }),
    'no coin': ({ random }) => ({ args: { coin: random.pick(NO_COINS) } }),
    'other spelling': ({ random }) => ({ args: { coin: ` ${random.pick(COINS).toUpperCase()} ` } }),
    'too few or many': ({ random }) => ({ args: { coin: random.pick(COINS), first: random.pick([0, -1, 1001, -2_147_483_648]) } }),
    'no integer': ({ random }) => ({ args: { coin: random.pick(COINS), first: random.pick(NO_PAGE_SIZES) }, typed: true }),
    'no cursor': ({ random }) => ({ args: { coin: random.pick(COINS), after: random.pick(CURSORS_OF_NOTHING) } }),
    'a cursor before everything': ({ random }) => ({ args: { coin: random.pick(COINS), after: 'djE' } }),
    'an argument too many': ({ random }) => ({ args: { coin: random.pick(COINS), bogus: 1 }, typed: true }),
  },
  defiSwapQuote: {
    plain: ({ random, world }) => ({ args: { input: swap(random, chainOf(random, world)) } }),
    'with a slippage': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), slippageBps: random.whole(0, 10_000) } } }),
    'to a recipient': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), recipient: random.pick(ADDRESSES.slice(1)) } } }),
    'an unknown chain': ({ random }) => ({ args: { input: swap(random, random.pick(NO_CHAINS)) } }),
    'no recipient': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), recipient: random.pick(NO_ADDRESSES) } } }),
    'no amount': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), amount: random.pick(['0', '-1', '1.5', '1e18', '', 'all', '9'.repeat(79)]) } } }),
    'no slippage': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), slippageBps: random.pick([-1, 10_001, 2_147_483_647]) } } }),
    'slippage that is no integer': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), slippageBps: random.pick(NO_INTEGERS) } }, typed: true }),
    'no token': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), toToken: random.pick(NO_ADDRESSES) } } }),
    'the same token twice': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), fromToken: ADDRESSES[1], toToken: ADDRESSES[1] } } }),
    'something is missing': ({ random, world }) => ({ args: { input: without(swap(random, chainOf(random, world)), random.pick(['chain', 'fromToken', 'toToken', 'amount'])) }, typed: true }),
    'a member too many': ({ random, world }) => ({ args: { input: { ...swap(random, chainOf(random, world)), bogus: 1 } }, typed: true }),
  },
  emotion: {
    plain: () => ({}),
    'once more': () => ({}),
    'an argument too many': () => ({ args: { bogus: 1 }, typed: true }),
  },
  updateEmotion: {
    praise: ({ random }) => ({ args: { feedback: random.whole(1, 100) } }),
    blame: ({ random }) => ({ args: { feedback: random.whole(-100, -1) } }),
    'at the bounds': ({ random }) => ({ args: { feedback: random.pick([-100, 0, 100]) } }),
    'out of range': ({ random }) => ({ args: { feedback: random.pick([101, -101, 2_147_483_647, -2_147_483_648]) } }),
    'no integer': ({ random }) => ({ args: { feedback: random.pick(['10', 1.5, true, null, [1], {}, 2_147_483_648]) }, typed: true }),
    nothing: () => ({ typed: true }),
    'an argument too many': ({ random }) => ({ args: { feedback: random.whole(-9, 9), bogus: 1 }, typed: true }),
  },
  memories: {
    plain: () => ({}),
    'so many': ({ random }) => ({ args: { first: random.whole(1, 100) } }),
    'page by page': ({ random }) => ({ args: { first: random.whole(2, 6) }, follow: true }),
    'search, page by page': ({ random }) => ({ args: { first: random.whole(1, 3), search: random.pick(WORDS) }, follow: true }),
    'search for words': ({ random }) => ({ args: { search: random.some(WORDS, random.whole(1, 3)).join(random.pick([' ', '  ', '\t'])) } }),
    'search in another case': ({ random }) => ({ args: { search: random.pick(WORDS).toUpperCase() } }),
    'search for nothing': ({ random }) => ({ args: { search: random.pick(['', '   ', '%', '_', 'no such words']) } }),
    'search for too much': ({ random }) => ({ args: { search: random.pick([Array(17).fill('a').join(' '), 'x'.repeat(257), 'a\0b']) } }),
    'too few or many': ({ random }) => ({ args: { first: random.pick([0, -1, 101, -2_147_483_648]) } }),
    'no integer': ({ random }) => ({ args: { first: random.pick(NO_PAGE_SIZES) }, typed: true }),
    'no cursor': ({ random }) => ({ args: { after: random.pick(CURSORS_OF_NOTHING) } }),
    'an argument too many': () => ({ args: { bogus: 'x' }, typed: true }),
  },
  memory: {
    'one that is there': ({ random, memories }) => ({ args: { id: madeOr(random, memories) } }),
    'one that was there': ({ random, deleted }) => ({ args: { id: madeOr(random, deleted) } }),
    'nobody has it': ({ random }) => ({ args: { id: uuid(random) } }),
  },
  addMemory: {
    plain: ({ random }) => ({ args: { content: sentence(random) } }),
    'several words': ({ random }) => ({ args: { content: `${sentence(random)}\n${sentence(random)}` } }),
    'white space around it': ({ random }) => ({ args: { content: `  ${sentence(random)}\t ` } }),
    'strange characters': ({ random }) => ({ args: { content: random.pick(['\u202e🐢\u0001"\\', '</script>', '${x}', '\u{10ffff}é é', '{"a":1}']) } }),
    'as long as can be': ({ random }) => ({ args: { content: random.pick(['x', 'é', '🐢']).repeat(10_000) } }),
    'too long': () => ({ args: { content: 'x'.repeat(10_001) } }),
    empty: ({ random }) => ({ args: { content: random.pick(['', ' ', '\n\t']) } }),
    'a NUL in it': () => ({ args: { content: 'a\0b' } }),
    'no text': ({ random }) => ({ args: { content: random.pick([5, true, null, ['a'], { a: 1 }]) }, typed: true }),
    nothing: () => ({ typed: true }),
    'an argument too many': ({ random }) => ({ args: { content: sentence(random), bogus: 1 }, typed: true }),
  },
  deleteMemory: {
    'one that is there': ({ random, memories }) => ({ args: { id: madeOr(random, memories) } }),
    'one that was there': ({ random, deleted }) => ({ args: { id: madeOr(random, deleted) } }),
    'nobody has it': ({ random }) => ({ args: { id: uuid(random) } }),
    'no id': ({ random }) => ({ args: { id: random.pick(['x', '17', 'a/b', '%', '0'.repeat(36), 'é']) } }),
    'an argument too many': ({ random }) => ({ args: { id: uuid(random), bogus: '1' }, typed: true }),
  },
  mcp: {
    plain: () => ({}),
    'one tool': ({ random }) => ({ args: { tool: random.pick(['crypto_prices', 'balance', 'add_memory', 'emotion']) } }),
    'no such tool': ({ random }) => ({ args: { tool: random.pick(['nothing', '', 'x'.repeat(100), 'a&b=c', 'é "quoted"']) } }),
    'an argument too many': () => ({ args: { bogus: 1 }, typed: true }),
  },
  chains: {
    plain: () => ({}),
    'an argument too many': () => ({ args: { bogus: 1 }, typed: true }),
  },
  balance: {
    plain: ({ random, world }) => ({ args: ownerOn(random, chainOf(random, world)) }),
    'of another': ({ random, world }) => ({ args: ownerOn(random, chainOf(random, world)) }),
    'of one on a chain of another kind': ({ random, world }) => ({ args: { chain: chainOf(random, world), address: random.pick([...ADDRESSES, ...SOLANA_ADDRESSES]) } }),
    'of a token': ({ random, world }) => ({ args: { ...ownerOn(random, chainOf(random, world)), token: random.pick(ADDRESSES) } }),
    'no address': ({ random, world }) => ({ args: { chain: chainOf(random, world), address: random.pick(NO_ADDRESSES) } }),
    'no token': ({ random, world }) => ({ args: { chain: chainOf(random, world), address: random.pick(ADDRESSES), token: random.pick([...NO_ADDRESSES, '']) } }),
    'no chain': ({ random }) => ({ args: { chain: random.pick(NO_CHAINS), address: random.pick(ADDRESSES) } }),
    'an argument too many': ({ random, world }) => ({ args: { chain: chainOf(random, world), address: random.pick(ADDRESSES), bogus: 1 }, typed: true }),
  },
  transaction: {
    'one that is there': ({ random, world }) => ({ args: { chain: chainOf(random, world), hash: world.hashes.length ? random.pick(world.hashes) : `0x${random.hex(64)}` } }),
    'another that is there': ({ random, world }) => ({ args: { chain: chainOf(random, world), hash: world.hashes.length ? random.pick(world.hashes) : `0x${random.hex(64)}` } }),
    'nobody knows it': ({ random, world }) => ({ args: { chain: chainOf(random, world), hash: `0x${random.hex(64)}` } }),
    'no hash': ({ random, world }) => ({ args: { chain: chainOf(random, world), hash: random.pick(['0x0', 'x', `0x${random.hex(63)}`, 'a/b', 'é', '%']) } }),
    'no chain': ({ random }) => ({ args: { chain: random.pick(NO_CHAINS), hash: `0x${random.hex(64)}` } }),
    'an argument too many': ({ random, world }) => ({ args: { chain: chainOf(random, world), hash: `0x${random.hex(64)}`, bogus: 1 }, typed: true }),
  },
  estimateFee: {
    'a payment': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { from: ADDRESSES[2], to: ADDRESSES[1], value: String(random.whole(0, 1_000_000)) } } }),
    'a call': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { from: ADDRESSES[2], to: ADDRESSES[1], data: `0x${random.hex(8)}` } } }),
    'nothing at all': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: {} } }),
    'a message': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { message: random.pick(['AAAA', 'no base64!', '']) } } }),
    'nulls': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { from: ADDRESSES[2], to: ADDRESSES[1], value: null, data: null } } }),
    'no value': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { to: ADDRESSES[1], value: random.pick(['-1', '1.5', 'x', '', '9'.repeat(78)]) } } }),
    'no data': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { to: ADDRESSES[1], data: random.pick(['0x0', 'zz', '0xzz']) } } }),
    'no address': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { to: random.pick(NO_ADDRESSES) } } }),
    'no chain': ({ random }) => ({ args: { chain: random.pick(NO_CHAINS), transaction: { to: ADDRESSES[1] } } }),
    'a number for text': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { to: ADDRESSES[1], value: 5 } }, typed: true }),
    'a member too many': ({ random, world }) => ({ args: { chain: chainOf(random, world), transaction: { to: ADDRESSES[1], bogus: 1 } }, typed: true }),
  },
  sendTransaction: {
    'a good one': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: world.signed.length ? random.pick(world.signed) : `0x${random.hex(200)}` } }),
    'another good one': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: world.signed.length ? random.pick(world.signed) : `0x${random.hex(200)}` } }),
    'garbage in hexadecimal': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: `0x${random.hex(2 * random.whole(0, 120))}` } }),
    'garbage in base64': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: random.pick(['AAAA', 'no base64!', '', '  ']) } }),
    'no chain': ({ random }) => ({ args: { chain: random.pick(NO_CHAINS), signed: '0x00' } }),
    'no text': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: random.pick([5, null, ['0x00']]) }, typed: true }),
    nothing: ({ random, world }) => ({ args: { chain: chainOf(random, world) }, typed: true }),
    'an argument too many': ({ random, world }) => ({ args: { chain: chainOf(random, world), signed: '0x00', bogus: 1 }, typed: true }),
  },
};

function pricesOf() {
  return {
    one: ({ random }) => ({ args: { coins: [random.pick(COINS)] } }),
    several: ({ random }) => ({ args: { coins: random.some(COINS, random.whole(2, COINS.length)) } }),
    'nobody polls them': ({ random }) => ({ args: { coins: random.some([...COINS, ...UNPOLLED], 5) } }),
    'one twice': ({ random }) => ({ args: { coins: [...random.some(COINS, 2), ...random.some(COINS, 2), 'bitcoin', 'bitcoin'] } }),
    'other spellings': ({ random }) => ({ args: { coins: random.some(COINS, 3).map((coin) => ` ${coin.toUpperCase()}`) } }),
    unknown: ({ random }) => ({ args: { coins: random.some(UNKNOWN, random.whole(1, 3)) } }),
    'known and unknown': ({ random }) => ({ args: { coins: random.some([...random.some(COINS, 3), ...random.some(UNKNOWN, 2)], 5) } }),
    'no coin among them': ({ random }) => ({ args: { coins: [random.pick(COINS), random.pick(NO_COINS), random.pick(UNKNOWN)] } }),
    none: () => ({ args: { coins: [] } }),
    'as many as can be': () => ({ args: { coins: Array.from({ length: 250 }, (_, place) => COINS[place % COINS.length]) } }),
    'too many': ({ random }) => ({ args: { coins: Array(random.whole(251, 300)).fill('bitcoin') } }),
    nothing: () => ({ typed: true }),
    'an argument too many': () => ({ args: { coins: ['bitcoin'], bogus: 1 }, typed: true }),
  };
}

function isContent(text) {
  return text.trim() !== '' && [...text].length <= 10_000 && !text.includes('\0');
}

function chainOf(random, { chains }) {
  return random.pick(chains.length > 0 ? chains : ['ethereum', 'eip155:1', 'base', 'solana', 'Ethereum']);
}

function ownerOn(random, chain) {
  return { chain, address: random.pick(/solana/i.test(chain) ? SOLANA_ADDRESSES : ADDRESSES) };
}

function swap(random, chain) {
  return { chain, fromToken: random.pick(['ETH', 'USDC', 'native']), toToken: random.pick(['USDT', 'DAI', ADDRESSES[1]]), amount: String(random.whole(1, 1_000_000_000)) };
}

function without(object, name) {
  return Object.fromEntries(Object.entries(object).filter(([other]) => other !== name));
}

function sentence(random) {
  return random.some(WORDS, random.whole(1, 5)).join(' ');
}

/** The id of what a case made, which each side has to say; or of nothing. */
function madeOr(random, made) {
  return made.length > 0 ? { made: random.pick(made) } : uuid(random);
}

function uuid(random) {
  return `${random.hex(8)}-${random.hex(4)}-7${random.hex(3)}-8${random.hex(3)}-${random.hex(12)}`;
}
