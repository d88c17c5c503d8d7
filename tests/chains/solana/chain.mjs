// The chain: a virtual machine, slots, blockhashes and the transactions that landed. The machine runs real programs; slots and
// commitment are ours: a transaction has a slot of its own, is confirmed at once and final 32 slots later. Accounts have no
// history: they are read as they are, at any commitment.
import { createHash, randomBytes } from 'node:crypto';
import { lamports } from '@solana/kit';
import { LiteSVM } from 'litesvm';
import { RpcError } from './json.mjs';
import { base58, decode, describe, fee, memo, tableAddresses, writeError, writeInner, writeReturned } from './transactions.mjs';
import { tokenBalances } from './accounts.mjs';

const FIRST_SLOT = 1000;
const FINAL_AFTER = 32;
const HASH_LIVES = 150;

export class Chain {
  genesis = base58(randomBytes(32));
  /** What landed, oldest first. */
  ledger = [];
  /** How many slots the head seems to be behind. */
  lag = 0;
  /** How many slots must lie above one until it is confirmed. */
  confirmedAfter = 0;
  #svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n);
  #slot = FIRST_SLOT;
  /** The slot of each blockhash that was given out. */
  #hashes = new Map();
  #bySignature = new Map();
  #onSlot = [];

  constructor() {
    this.#svm.warpToSlot(BigInt(this.#slot));
  }

  /** The newest slot of a commitment, as this node tells. */
  slot(commitment = 'finalized') {
    const below = { processed: 0, confirmed: this.confirmedAfter }[commitment] ?? FINAL_AFTER;
    return Math.max(0, this.#slot - this.lag - below);
  }

  onSlot(listener) {
    this.#onSlot.push(listener);
  }

  advance(slots = 1) {
    for (let n = 0; n < slots; n += 1) {
      this.#slot += 1;
      this.#onSlot.forEach((listener) => listener(this.#slot));
    }
    this.#svm.warpToSlot(BigInt(this.#slot));
  }

  account(address) {
    return this.#svm.getAccount(address);
  }

  programAccounts(program) {
    return this.#svm.getProgramAccounts(program).map((it) => ({ exists: true, ...it, address: it.address }));
  }

  /** Puts lamports into an account without a transaction: for what pays for the others. */
  endow(address, amount) {
    this.#svm.setAccount({
      address, lamports: lamports(amount), data: new Uint8Array(), executable: false,
      programAddress: '11111111111111111111111111111111', space: 0n,
    });
  }

  rentFor(size) {
    return this.#svm.minimumBalanceForRentExemption(BigInt(size));
  }

  blockhash() {
    const hash = base58(createHash('sha256').update(`${this.genesis} ${this.#slot}`).digest());
    this.#hashes.set(hash, this.#slot);
    return { blockhash: hash, lastValidBlockHeight: this.#slot + HASH_LIVES };
  }

  knowsBlockhash(hash) {
    return this.#hashes.has(hash) && this.#hashes.get(hash) + HASH_LIVES >= this.#slot;
  }

  decode(bytes) {
    return decode(bytes, (lookups) => this.#loaded(lookups));
  }

  #loaded(lookups) {
    const loaded = { writable: [], readonly: [] };
    for (const { lookupTableAddress, writableIndexes, readonlyIndexes } of lookups) {
      const table = this.account(lookupTableAddress);
      const addresses = table.exists ? tableAddresses(table.data) : [];
      loaded.writable.push(...writableIndexes.map((it) => addresses[it]));
      loaded.readonly.push(...readonlyIndexes.map((it) => addresses[it]));
    }
    if ([...loaded.writable, ...loaded.readonly].includes(undefined)) {
      throw new RpcError(-32602, 'Transaction address table lookup is invalid');
    }
    return loaded;
  }

  /** The landed transaction of a signature, if the commitment shows it. */
  find(signature, commitment) {
    const landed = this.#bySignature.get(signature);
    return landed && landed.slot <= this.slot(commitment) ? landed : undefined;
  }

  /** What would become of it: `{ error, logs, units, inner, returned, accounts }`. */
  simulate(decoded, { verify = true, checkBlockhash = true } = {}) {
    const refused = (error) => ({ error, logs: [], units: 0n, inner: [], returned: null, accounts: [] });
    if (this.#bySignature.has(decoded.signature)) return refused('AlreadyProcessed');
    if (checkBlockhash && !this.knowsBlockhash(decoded.message.lifetimeToken)) return refused('BlockhashNotFound');
    if (verify && Object.values(decoded.transaction.signatures).includes(null)) return refused('SignatureFailure');
    this.#svm.withSigverify(verify);
    const result = this.#svm.simulateTransaction(decoded.transaction);
    this.#svm.withSigverify(true);
    return { ...outcome(result), accounts: result.postAccounts?.() ?? [] };
  }

  /** Runs them in one slot, in this order. Returns it. */
  landTogether(all) {
    all.forEach((decoded, place) => this.land(decoded, place === 0));
    return this.#slot;
  }

  /** Runs it in a slot of its own, unless told otherwise. What cannot be run at all is dropped, as a validator does. */
  land(decoded, inNewSlot = true) {
    const dry = this.simulate(decoded);
    if (typeof dry.error === 'string') return null;
    const find = (key) => this.account(key);
    const balances = () => decoded.keys.map((key) => this.account(key).lamports ?? 0n);
    const tokens = () => tokenBalances(decoded.keys, find);
    const [preBalances, preTokenBalances] = [balances(), tokens()];
    if (inNewSlot) this.#slot += 1;
    this.#svm.warpToSlot(BigInt(this.#slot));
    const { error, logs, units, inner, returned } = outcome(this.#svm.sendTransaction(decoded.transaction));
    const landed = {
      ...decoded,
      slot: this.#slot,
      blockTime: Math.floor(Date.now() / 1000),
      error,
      logs,
      memo: memo(decoded.message),
      meta: {
        computeUnitsConsumed: units,
        err: error,
        fee: fee(decoded.message),
        innerInstructions: inner,
        loadedAddresses: decoded.loaded,
        logMessages: logs,
        postBalances: balances(),
        postTokenBalances: tokens(),
        preBalances,
        preTokenBalances,
        rewards: [],
        ...(returned && { returnData: returned }),
        status: error ? { Err: error } : { Ok: null },
      },
    };
    this.ledger.push(landed);
    this.#bySignature.set(decoded.signature, landed);
    this.#onSlot.forEach((listener) => listener(this.#slot));
    return landed;
  }
}

function outcome(result) {
  // What succeeded is its own metadata.
  const meta = result.meta?.() ?? result;
  const failed = typeof result.err === 'function';
  return {
    error: failed ? writeError(result) : null,
    logs: meta.logs(),
    units: meta.computeUnitsConsumed(),
    inner: writeInner(meta),
    returned: writeReturned(meta),
  };
}

/** The error of a `sendTransaction` whose preflight failed. */
export function preflightFailure({ error, logs, units, inner, returned }) {
  if (error === 'SignatureFailure') return new RpcError(-32003, 'Transaction signature verification failure');
  const data = {
    accounts: null, err: error, innerInstructions: inner.length ? inner : null, logs, replacementBlockhash: null, returnData: returned,
    unitsConsumed: units,
  };
  return new RpcError(-32002, `Transaction simulation failed: ${describe(error)}`, data);
}
