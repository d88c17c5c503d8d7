// Accounts as Agave's RPC writes them, and what is known of SPL tokens.
import { TOKEN_PROGRAM_ADDRESS, getMintDecoder, getMintSize, getTokenDecoder, getTokenSize } from '@solana-program/token';
import { invalidParams } from './json.mjs';
import { base58, base64 } from './transactions.mjs';

export const TOKEN_2022 = 'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb';
const PROGRAMS = { [TOKEN_PROGRAM_ADDRESS]: 'spl-token', [TOKEN_2022]: 'spl-token-2022' };
const STATES = ['uninitialized', 'initialized', 'frozen'];
const NEVER = 18446744073709551615n;

const some = (option) => (option?.__option === 'Some' ? option.value : null);

/** An amount in the token's smallest units, as wallets are shown it. */
export function amountOf(amount, decimals) {
  const digits = amount.toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const part = digits.slice(digits.length - decimals).replace(/0+$/, '');
  const text = part ? `${whole}.${part}` : whole;
  return { amount: amount.toString(), decimals, uiAmount: Number(text), uiAmountString: text };
}

/** The token account, or null if it is none. */
export function tokenAccount(account) {
  if (!account.exists || !PROGRAMS[account.programAddress] || account.data.length < getTokenSize()) return null;
  // A mint with extensions is as long, and tells its kind after the length of an account.
  if (account.data.length > getTokenSize() && account.data[getTokenSize()] !== 2) return null;
  const token = getTokenDecoder().decode(account.data.slice(0, getTokenSize()));
  return token.state === 0 ? null : token;
}

/** The mint, or null if it is none. */
export function mintAccount(account) {
  if (!account.exists || !PROGRAMS[account.programAddress]) return null;
  const { length } = account.data;
  if (length !== getMintSize() && !(length > getTokenSize() && account.data[getTokenSize()] === 1)) return null;
  const mint = getMintDecoder().decode(account.data.slice(0, getMintSize()));
  return mint.isInitialized ? mint : null;
}

/** Writes an account, or null for one that is not there. `find` finds another: a token account's mint. */
export function writeAccount(account, config, find) {
  if (!account.exists) return null;
  const { encoding, dataSlice } = config ?? {};
  const { offset, length } = dataSlice ?? { offset: 0, length: account.data.length };
  const data = account.data.slice(offset, offset + length);
  return {
    data: writeData(account, data, encoding, find),
    executable: account.executable,
    lamports: account.lamports,
    owner: account.programAddress,
    rentEpoch: NEVER,
    space: account.data.length,
  };
}

function writeData(account, data, encoding, find) {
  if (encoding === undefined || encoding === null) return base58(data);
  if (encoding === 'base58') return [base58(data), 'base58'];
  if (encoding === 'base64') return [base64(data), 'base64'];
  if (encoding !== 'jsonParsed') throw invalidParams(`this front does not write accounts as ${encoding}`);
  return parsed(account, find) ?? [base64(data), 'base64'];
}

function parsed(account, find) {
  const program = PROGRAMS[account.programAddress];
  const token = tokenAccount(account);
  const mint = mintAccount(account);
  const space = account.data.length;
  if (mint) return { program, parsed: { info: mintInfo(mint), type: 'mint' }, space };
  const of = token && mintAccount(find(token.mint));
  return of ? { program, parsed: { info: tokenInfo(token, of.decimals), type: 'account' }, space } : null;
}

function mintInfo(mint) {
  return {
    decimals: mint.decimals,
    freezeAuthority: some(mint.freezeAuthority),
    isInitialized: mint.isInitialized,
    mintAuthority: some(mint.mintAuthority),
    supply: mint.supply.toString(),
  };
}

function tokenInfo(token, decimals) {
  const [delegate, reserve, close] = [some(token.delegate), some(token.isNative), some(token.closeAuthority)];
  return {
    isNative: reserve !== null,
    mint: token.mint,
    owner: token.owner,
    state: STATES[token.state],
    tokenAmount: amountOf(token.amount, decimals),
    ...(delegate && { delegate, delegatedAmount: amountOf(token.delegatedAmount, decimals) }),
    ...(reserve !== null && { rentExemptReserve: amountOf(reserve, decimals) }),
    ...(close && { closeAuthority: close }),
  };
}

/** The token balances among a transaction's accounts, as its metadata lists them. */
export function tokenBalances(keys, find) {
  return keys.flatMap((key, accountIndex) => {
    const account = find(key);
    const token = tokenAccount(account);
    const mint = token && mintAccount(find(token.mint));
    if (!mint) return [];
    const uiTokenAmount = amountOf(token.amount, mint.decimals);
    return [{ accountIndex, mint: token.mint, owner: token.owner, programId: account.programAddress, uiTokenAmount }];
  });
}
