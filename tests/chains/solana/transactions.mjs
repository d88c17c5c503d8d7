// Transactions: from bytes, what they name, what they cost, and how Agave's RPC writes them and their errors.
import {
  getAddressDecoder, getBase58Decoder, getBase58Encoder, getCompiledTransactionMessageDecoder, getTransactionDecoder,
} from '@solana/kit';
import { RpcError, invalidParams } from './json.mjs';

const BASE_FEE = 5000n;
const COMPUTE_BUDGET = 'ComputeBudget111111111111111111111111111111';
const BUILT_IN = new Set([COMPUTE_BUDGET, '11111111111111111111111111111111', 'Vote111111111111111111111111111111111111111']);
const MEMO = /^Memo/;
const MOST_BYTES = 1232;

export const base58 = (bytes) => getBase58Decoder().decode(bytes);
export const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/** The bytes of a transaction parameter. */
export function bytesOf(text, encoding) {
  if (typeof text !== 'string') throw invalidParams('invalid type: expected a string');
  let bytes;
  try {
    bytes = encoding === 'base64' ? Buffer.from(text, 'base64') : Buffer.from(getBase58Encoder().encode(text));
  } catch {
    throw invalidParams(`invalid ${encoding} encoding`);
  }
  if (encoding === 'base64' && bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) {
    throw invalidParams('invalid base64 encoding');
  }
  if (bytes.length > MOST_BYTES) {
    throw invalidParams(`decoded solana_transaction::versioned::VersionedTransaction too large: ${bytes.length} bytes (max: ${MOST_BYTES} bytes)`);
  }
  return bytes;
}

/** A transaction with what the front looks at; `loaded` are the addresses of its lookup tables. */
export function decode(bytes, loadedOf) {
  try {
    const transaction = getTransactionDecoder().decode(bytes);
    const message = decodeMessage(transaction.messageBytes);
    const signatures = Object.values(transaction.signatures).map((it) => base58(it ?? new Uint8Array(64)));
    const loaded = loadedOf(message.addressTableLookups ?? []);
    const keys = [...message.staticAccounts, ...loaded.writable, ...loaded.readonly];
    return { bytes, transaction, message, signatures, signature: signatures[0], loaded, keys };
  } catch (error) {
    if (error instanceof RpcError) throw error;
    throw invalidParams(`failed to deserialize solana_transaction::versioned::VersionedTransaction: ${error.message}`);
  }
}

export function decodeMessage(bytes) {
  return getCompiledTransactionMessageDecoder().decode(bytes);
}

/** The addresses in a lookup table's account: they follow a header of 56 bytes. */
export function tableAddresses(data) {
  const addresses = [];
  for (let at = 56; at + 32 <= data.length; at += 32) addresses.push(getAddressDecoder().decode(data.slice(at, at + 32)));
  return addresses;
}

const programs = (message) => message.instructions.map((it) => message.staticAccounts[it.programAddressIndex]);

/** Millionths of a lamport for each unit of computing, and how many units are asked for. */
function budget(message) {
  let price = 0n;
  let units;
  programs(message).forEach((program, index) => {
    const data = Buffer.from(message.instructions[index].data ?? []);
    if (program !== COMPUTE_BUDGET) return;
    if (data[0] === 2) units = BigInt(data.readUInt32LE(1));
    if (data[0] === 3) price = data.readBigUInt64LE(1);
  });
  const byDefault = programs(message).reduce((sum, it) => sum + (BUILT_IN.has(it) ? 3_000n : 200_000n), 0n);
  units ??= byDefault;
  return { price, units: units > 1_400_000n ? 1_400_000n : units };
}

export const priorityPrice = (message) => budget(message).price;

export function fee(message) {
  const { price, units } = budget(message);
  return BigInt(message.header.numSignerAccounts) * BASE_FEE + (price * units + 999_999n) / 1_000_000n;
}

export function memo(message) {
  const memos = message.instructions
    .filter((_, index) => MEMO.test(programs(message)[index]))
    .map((it) => Buffer.from(it.data ?? []))
    .map((data) => `[${data.length}] ${data.toString('utf8')}`);
  return memos.length ? memos.join('; ') : null;
}

/** The keys that it may change. */
export function writableKeys({ message, loaded }) {
  const { numSignerAccounts, numReadonlySignerAccounts, numReadonlyNonSignerAccounts } = message.header;
  const last = message.staticAccounts.length - numReadonlyNonSignerAccounts;
  const fixed = message.staticAccounts.filter((_, index) =>
    index < numSignerAccounts ? index < numSignerAccounts - numReadonlySignerAccounts : index < last);
  return [...fixed, ...loaded.writable];
}

/** As `getTransaction` writes it. */
export function write({ bytes, message, signatures }, encoding) {
  if (encoding === 'base64') return [base64(bytes), 'base64'];
  if (encoding === 'base58') return [base58(bytes), 'base58'];
  if (encoding !== 'json') throw invalidParams(`this front does not write transactions as ${encoding}`);
  const lookups = message.version === 'legacy' ? {} : {
    addressTableLookups: (message.addressTableLookups ?? []).map((it) => ({
      accountKey: it.lookupTableAddress, writableIndexes: [...it.writableIndexes], readonlyIndexes: [...it.readonlyIndexes],
    })),
  };
  return {
    signatures,
    message: {
      header: {
        numRequiredSignatures: message.header.numSignerAccounts,
        numReadonlySignedAccounts: message.header.numReadonlySignerAccounts,
        numReadonlyUnsignedAccounts: message.header.numReadonlyNonSignerAccounts,
      },
      accountKeys: message.staticAccounts,
      recentBlockhash: message.lifetimeToken,
      instructions: message.instructions.map((it) => ({
        programIdIndex: it.programAddressIndex, accounts: [...(it.accountIndices ?? [])],
        data: base58(it.data ?? new Uint8Array()), stackHeight: 1,
      })),
      ...lookups,
    },
  };
}

export function writeInner(meta) {
  return meta.innerInstructions()
    .map((list, index) => ({
      index,
      instructions: list.map((inner) => ({
        programIdIndex: inner.instruction().programIdIndex(), accounts: [...inner.instruction().accounts()],
        data: base58(inner.instruction().data()), stackHeight: inner.stackHeight(),
      })),
    }))
    .filter((it) => it.instructions.length);
}

export function writeReturned(meta) {
  const returned = meta.returnData();
  return returned.data().length
    ? { programId: getAddressDecoder().decode(returned.programId()), data: [base64(returned.data()), 'base64'] }
    : null;
}

/** A failure's error, as Agave's JSON has it. The machine prints it as Rust does. */
export function writeError(failed) {
  const printed = /err: (.*?), meta: TransactionMetadata/s.exec(failed.toString())?.[1] ?? 'ClusterMaintenance';
  let match;
  if ((match = /^InstructionError\((\d+), Custom\((\d+)\)\)$/.exec(printed))) {
    return { InstructionError: [Number(match[1]), { Custom: Number(match[2]) }] };
  }
  if ((match = /^InstructionError\((\d+), (\w+).*\)$/s.exec(printed))) return { InstructionError: [Number(match[1]), match[2]] };
  if ((match = /^(\w+) \{ account_index: (\d+) \}$/.exec(printed))) return { [match[1]]: { account_index: Number(match[2]) } };
  if ((match = /^(\w+)\((\d+)\)$/.exec(printed))) return { [match[1]]: Number(match[2]) };
  return printed;
}

const WORDS = {
  AccountNotFound: 'Attempt to debit an account but found no record of a prior credit.',
  AlreadyProcessed: 'This transaction has already been processed',
  BlockhashNotFound: 'Blockhash not found',
  InsufficientFundsForFee: 'Insufficient funds for fee',
  InvalidAccountForFee: 'This account may not be used to pay transaction fees',
  SignatureFailure: 'Transaction did not pass signature verification',
};

/** The same in words. */
export function describe(error) {
  if (error.InstructionError) {
    const [index, inner] = error.InstructionError;
    const words = inner.Custom === undefined ? inner : `custom program error: 0x${inner.Custom.toString(16)}`;
    return `Error processing Instruction ${index}: ${words}`;
  }
  if (error.InsufficientFundsForRent) {
    return `Transaction results in an account (${error.InsufficientFundsForRent.account_index}) with insufficient funds for rent`;
  }
  return WORDS[error] ?? (typeof error === 'string' ? error : JSON.stringify(error));
}
