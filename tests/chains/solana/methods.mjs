// The RPC methods: Agave's names, parameters and shapes.
import { TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import { isAddress } from '@solana/kit';
import { RpcError, invalidParams } from './json.mjs';
import { TOKEN_2022, amountOf, mintAccount, tokenAccount, writeAccount } from './accounts.mjs';
import { bytesOf, decodeMessage, fee, priorityPrice, writableKeys, write } from './transactions.mjs';
import { preflightFailure } from './chain.mjs';

const VERSION = '3.1.0';
const MOST_SIGNATURES = 1000;

const address = (text) => {
  if (typeof text !== 'string' || !isAddress(text)) throw invalidParams('Invalid param: Invalid');
  return text;
};

const signature = (text) => {
  if (typeof text !== 'string' || !/^[1-9A-HJ-NP-Za-km-z]{64,88}$/.test(text)) throw invalidParams('Invalid param: Invalid');
  return text;
};

/** Those of a chain; `wallet` pays for airdrops. */
export function methods(chain, wallet) {
  const find = (key) => chain.account(key);
  const slotOf = (config) => {
    const slot = chain.slot(config?.commitment);
    if (config?.minContextSlot > slot) throw new RpcError(-32016, 'Minimum context slot has not been reached', { contextSlot: slot });
    return slot;
  };
  const at = (config, value) => ({ context: { apiVersion: VERSION, slot: slotOf(config) }, value });
  const noProcessed = (config) => {
    if (config?.commitment === 'processed') throw invalidParams('Method does not support commitment below `confirmed`');
  };
  const confirmation = (slot) => {
    const confirmationStatus = ['finalized', 'confirmed'].find((it) => slot <= chain.slot(it)) ?? 'processed';
    const confirmations = confirmationStatus === 'finalized' ? null : chain.slot('processed') - slot;
    return { confirmations, confirmationStatus };
  };
  const mint = (key) => {
    const found = mintAccount(find(address(key)));
    if (!found) throw invalidParams('Invalid param: not a Token mint');
    return found;
  };

  return {
    getGenesisHash: () => chain.genesis,
    getSlot: (config) => slotOf(config),
    getBlockHeight: (config) => slotOf(config),
    getVersion: () => ({ 'feature-set': 0, 'solana-core': VERSION }),
    getHealth: () => {
      if (chain.lag) throw new RpcError(-32005, `Node is behind by ${chain.lag} slots`, { numSlotsBehind: chain.lag });
      return 'ok';
    },

    getBalance: (key, config) => at(config, find(address(key)).lamports ?? 0),
    getAccountInfo: (key, config) => at(config, writeAccount(find(address(key)), config, find)),
    getMultipleAccounts: (keys, config) => at(config, keys.map((key) => writeAccount(find(address(key)), config, find))),
    getMinimumBalanceForRentExemption: (size) => chain.rentFor(size),
    getTokenAccountsByOwner(owner, filter, config) {
      address(owner);
      const program = filter.mint ? find(address(filter.mint)).programAddress : address(filter.programId);
      if (filter.mint) mint(filter.mint);
      if (![TOKEN_PROGRAM_ADDRESS, TOKEN_2022].includes(program)) throw invalidParams('Invalid param: unrecognized Token program id');
      const accounts = chain.programAccounts(program).filter((account) => {
        const token = tokenAccount(account);
        return token?.owner === owner && (!filter.mint || token.mint === filter.mint);
      });
      return at(config, accounts.map((account) => ({ pubkey: account.address, account: writeAccount(account, config, find) })));
    },
    getTokenAccountBalance(key, config) {
      const token = tokenAccount(find(address(key)));
      if (!token) throw invalidParams('Invalid param: could not find account');
      return at(config, amountOf(token.amount, mint(token.mint).decimals));
    },
    getTokenSupply(key, config) {
      const { supply, decimals } = mint(key);
      return at(config, amountOf(supply, decimals));
    },

    getLatestBlockhash: (config) => at(config, chain.blockhash()),
    isBlockhashValid: (hash, config) => at(config, chain.knowsBlockhash(hash)),
    getFeeForMessage(text, config) {
      const message = decodeMessage(Buffer.from(text, 'base64'));
      return at(config, chain.knowsBlockhash(message.lifetimeToken) ? fee(message) : null);
    },
    getRecentPrioritizationFees(keys = []) {
      const head = chain.slot('processed');
      const bySlot = new Map(chain.ledger.filter((it) => keys.every((key) => writableKeys(it).includes(key)))
        .map((it) => [it.slot, priorityPrice(it.message)]));
      const slots = Array.from({ length: Math.min(150, head) }, (_, n) => head - Math.min(150, head) + 1 + n);
      return slots.map((slot) => ({ slot, prioritizationFee: bySlot.get(slot) ?? 0 }));
    },

    getSignatureStatuses(signatures) {
      if (signatures.length > 256) throw invalidParams('Too many inputs provided; max 256');
      return at({ commitment: 'processed' }, signatures.map((it) => {
        const landed = chain.find(signature(it), 'processed');
        return landed
          ? { ...confirmation(landed.slot), err: landed.error, slot: landed.slot, status: landed.meta.status }
          : null;
      }));
    },
    getTransaction(text, given) {
      const config = typeof given === 'string' ? { encoding: given } : given;
      noProcessed(config);
      const landed = chain.find(signature(text), config?.commitment);
      if (!landed) return null;
      const { slot, blockTime, meta, message: { version } } = landed;
      const most = config?.maxSupportedTransactionVersion;
      if (version !== 'legacy' && !(most >= version)) {
        throw new RpcError(-32015, `Transaction version (${version}) is not supported by the requesting client. Please try the request again with the following configuration parameter: "maxSupportedTransactionVersion": ${version}`);
      }
      return {
        blockTime, meta, slot, transaction: write(landed, config?.encoding ?? 'json'),
        ...(most === undefined ? {} : { version }),
      };
    },
    getSignaturesForAddress(key, config) {
      noProcessed(config);
      address(key);
      const { limit = MOST_SIGNATURES, before, until } = config ?? {};
      if (!(limit >= 1 && limit <= MOST_SIGNATURES)) throw invalidParams(`Invalid limit; max ${MOST_SIGNATURES}`);
      const shown = chain.ledger.filter((it) => it.slot <= slotOf(config)).reverse();
      const places = [before, until].map((it) => (it ? shown.findIndex((landed) => landed.signature === signature(it)) : null));
      if (places[0] === -1) return [];
      const end = places[1] === null || places[1] === -1 ? shown.length : places[1];
      return shown.slice(places[0] === null ? 0 : places[0] + 1, end).filter((it) => it.keys.includes(key)).slice(0, limit)
        .map((it) => ({
          blockTime: it.blockTime, confirmationStatus: confirmation(it.slot).confirmationStatus, err: it.error, memo: it.memo,
          signature: it.signature, slot: it.slot,
        }));
    },

    sendTransaction(text, config) {
      const decoded = chain.decode(bytesOf(text, config?.encoding ?? 'base58'));
      slotOf(config);
      if (!config?.skipPreflight) {
        const dry = chain.simulate(decoded);
        if (dry.error) throw preflightFailure(dry);
      }
      chain.land(decoded);
      return decoded.signature;
    },
    simulateTransaction(text, config) {
      const replace = config?.replaceRecentBlockhash === true;
      if (replace && config?.sigVerify) throw invalidParams('sigVerify may not be used with replaceRecentBlockhash');
      const decoded = chain.decode(bytesOf(text, config?.encoding ?? 'base58'));
      const dry = chain.simulate(decoded, { verify: config?.sigVerify === true, checkBlockhash: !replace });
      const after = (key) => {
        const account = dry.accounts.find((it) => it.address === key);
        return account ? { exists: true, ...account } : find(key);
      };
      const accounts = config?.accounts?.addresses.map((key) => writeAccount(after(address(key)), config.accounts, after)) ?? null;
      return at(config, {
        accounts: dry.error ? config?.accounts?.addresses.map(() => null) ?? null : accounts,
        err: dry.error,
        innerInstructions: config?.innerInstructions ? dry.inner : null,
        logs: dry.logs,
        replacementBlockhash: replace ? chain.blockhash() : null,
        returnData: dry.returned,
        unitsConsumed: dry.units,
      });
    },
    async requestAirdrop(key, amount) {
      return (await wallet.airdrop(address(key), BigInt(amount))).signature;
    },
  };
}

