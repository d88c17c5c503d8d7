// What differs between two calls although both are right. Nothing else is passed over. Each is still looked at: a time has to be a
// time, an id an id.

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$/;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Where, what is compared instead of the values, and why. */
export const EXCEPTIONS = [
  { operation: 'mcp', path: 'timestamp', as: 'time', why: 'when the context was put together: each call puts its own together' },
  { operation: 'defiSwapQuote', path: 'expiresAt', as: 'time', why: 'counted from when the quote was made' },
  { operation: 'emotion', path: 'updatedAt', as: 'time', only: isNew, why: 'before the first feedback it is the time of the answer' },
  { operation: 'mcp', path: 'emotion.updatedAt', as: 'time', only: isNew, why: 'before the first feedback it is the time of the answer' },
  { operation: '*', path: 'error.details.retryAfterSeconds', as: 'seconds', why: 'it counts down' },
];

function isNew(state) {
  return state.version === 0;
}

/** Said in the report beside those: what is done with what the two users of a run made. */
export const RULES = [
  'userId: each side has its own user; both are compared as <the caller>',
  'ids and times of what a case made: compared in shape when made, and after that as <id of case N> and <time of case N>, exactly',
  'message of a value that GraphQL\'s type system refuses: each face names its own types; code, status and details are compared',
  'QUERY_TOO_COMPLEX: what an operation costs is GraphQL\'s alone, so that no case comes near its limit',
  'prices, and what follows from a chain\'s newest block: a case that differs in these alone is repeated, twice at most',
];

/** A value of which only the shape is compared. */
export function inShape(value, as) {
  const fits = { time: () => TIME.test(value), seconds: () => Number.isInteger(value) && value >= 0 }[as];
  return fits() ? `<a ${as}>` : value;
}

/** What the cases of one side made, by name: the other side has the same names for other values. */
export class Names {
  #names = new Map();
  #values = new Map();

  constructor(caller) {
    if (caller) this.#names.set(caller, '<the caller>');
  }

  /** What a case made. Told again, as under the same `Idempotency-Key`, it keeps its first name. */
  learn(label, made) {
    const known = [['id', made?.id, ID], ['time', made?.createdAt ?? made?.updatedAt, TIME]];
    for (const [what, value, shape] of known) {
      if (!shape.test(value)) continue;
      if (!this.#names.has(value)) this.#names.set(value, `<${what} of ${label}>`);
      if (!this.#values.has(`${what} of ${label}`)) this.#values.set(`${what} of ${label}`, value);
    }
  }

  /** The id that a case made; one that nobody has, if it made none. */
  idOf(label) {
    return this.#values.get(`id of ${label}`) ?? '00000000-0000-7000-8000-000000000000';
  }

  /** `json` with names for values, also inside sentences. */
  in(json) {
    if (typeof json === 'string') return this.#inText(json);
    if (Array.isArray(json)) return json.map((item) => this.in(item));
    if (typeof json !== 'object' || json === null) return json;
    return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, this.in(value)]));
  }

  #inText(text) {
    return this.#names.get(text) ?? text.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => this.#names.get(id) ?? id);
  }
}

/** `answer` with everything in it that differs rightly put into its shape. */
export function withoutExceptions(operation, answer) {
  const copy = structuredClone(answer);
  for (const { path, as, only = () => true } of EXCEPTIONS.filter((it) => [operation, '*'].includes(it.operation))) {
    const names = path.split('.');
    const last = names.pop();
    const parent = names.reduce((value, name) => value?.[name], names[0] === 'error' ? copy : copy.value);
    if (parent?.[last] !== undefined && only(parent)) parent[last] = inShape(parent[last], as);
  }
  return copy;
}

/** Whether two calls for this would not even give the same twice, however quick: then its ETag is another each time, too. */
export function changesWithEachCall(operation, answer) {
  return JSON.stringify(withoutExceptions(operation, answer)) !== JSON.stringify(answer);
}

const PRICE = /(^|\.)(usd|change24h|marketCap|updatedAt|stale|source)$/;
const CHAIN = /\.(block|blockHash|confirmations|settled|status|state|timestamp)$/;
/** A second look at an answer, which may find another one. */
const SECOND_LOOK = /^(under a condition|HEAD): /;
const MOVES = {
  cryptoPrices: PRICE,
  priceResults: PRICE,
  priceHistory: /^value\./,
  mcp: PRICE,
  defiSwapQuote: /^value\./,
  balance: /^value\.(block|amount)/,
  transaction: CHAIN,
  estimateFee: /^value\./,
  sendTransaction: CHAIN,
};

/** Whether `found`, the differences of a case, may be because a price or a chain has moved between the two calls. */
export function mayHaveMoved(operation, found) {
  const moves = MOVES[operation];
  return moves !== undefined && found.length > 0 && found.every(({ path }) => moves.test(path) || SECOND_LOOK.test(path));
}
