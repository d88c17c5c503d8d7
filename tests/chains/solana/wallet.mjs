// What a wallet does: keys, and transactions that it signs. A test's controls use it; the RPC methods, for airdrops alone.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  appendTransactionMessageInstructions, createKeyPairSignerFromBytes, createTransactionMessage, getBase58Encoder,
  getTransactionEncoder, setTransactionMessageFeePayerSigner, setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from '@solana/kit';
import { getCreateAccountInstruction, getTransferSolInstruction } from '@solana-program/system';
import {
  TOKEN_PROGRAM_ADDRESS, findAssociatedTokenPda, getCreateAssociatedTokenIdempotentInstruction, getInitializeMint2Instruction,
  getMintSize, getMintToInstruction, getTransferCheckedInstruction,
} from '@solana-program/token';
import { invalidParams } from './json.mjs';
import { base58, base64 } from './transactions.mjs';
import { mintAccount } from './accounts.mjs';

const MEMO_PROGRAM = 'MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr';
const RICHES = 500_000_000n * 1_000_000_000n;

/** A new key pair: `secret` is the 64 bytes, in base58, that wallets export. */
export function newKeys() {
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
  const open = createPublicKey(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })));
  const address = open.export({ type: 'spki', format: 'der' }).subarray(-32);
  return { address: base58(address), secret: base58(Buffer.concat([seed, address])) };
}

const signerOf = (secret) => createKeyPairSignerFromBytes(getBase58Encoder().encode(secret));

export class Wallet {
  #chain;
  #bank;

  /** One that can pay for everything. */
  static async of(chain) {
    const wallet = new Wallet();
    wallet.#chain = chain;
    wallet.#bank = await signerOf(newKeys().secret);
    chain.endow(wallet.#bank.address, RICHES);
    return wallet;
  }

  async airdrop(destination, amount) {
    return this.#pay([getTransferSolInstruction({ source: this.#bank, destination, amount })]);
  }

  /** A mint whose authority is the bank. */
  async createMint({ decimals = 6 }) {
    const mint = await signerOf(newKeys().secret);
    const space = getMintSize();
    const rent = this.#chain.rentFor(space);
    await this.#pay([
      getCreateAccountInstruction({ payer: this.#bank, newAccount: mint, lamports: rent, space, programAddress: TOKEN_PROGRAM_ADDRESS }),
      getInitializeMint2Instruction({ mint: mint.address, decimals, mintAuthority: this.#bank.address }),
    ]);
    return mint.address;
  }

  /** Mints into the owner's associated account, which it opens if need be. */
  async mintTo({ mint, owner, amount }) {
    const [token, open] = await this.#associated(this.#bank, mint, owner);
    const mintIt = getMintToInstruction({ mint, token, mintAuthority: this.#bank, amount: BigInt(amount) });
    return { account: token, signature: (await this.#pay([open, mintIt])).signature };
  }

  /** A signed transfer of lamports or, with a mint, of tokens; it is not sent. `secret` is of who pays. */
  async transfer({ secret, to, amount, mint, memo, version = 'legacy' }) {
    const from = await signerOf(secret);
    const instructions = mint
      ? await this.#tokens(from, to, mint, BigInt(amount))
      : [getTransferSolInstruction({ source: from, destination: to, amount: BigInt(amount) })];
    if (memo) instructions.push({ programAddress: MEMO_PROGRAM, data: Buffer.from(memo) });
    return base64(await this.#sign(from, instructions, version));
  }

  async #tokens(from, to, mint, amount) {
    const found = mintAccount(this.#chain.account(mint));
    if (!found) throw invalidParams('Invalid param: not a Token mint');
    const [source] = await this.#associated(from, mint, from.address);
    const [destination, open] = await this.#associated(from, mint, to);
    const { decimals } = found;
    return [open, getTransferCheckedInstruction({ source, mint, destination, authority: from, amount, decimals })];
  }

  async #associated(payer, mint, owner) {
    const [ata] = await findAssociatedTokenPda({ mint, owner, tokenProgram: TOKEN_PROGRAM_ADDRESS });
    return [ata, getCreateAssociatedTokenIdempotentInstruction({ payer, ata, owner, mint })];
  }

  async #pay(instructions) {
    const landed = this.#chain.land(this.#chain.decode(await this.#sign(this.#bank, instructions, 'legacy')));
    if (!landed || landed.error) throw invalidParams(`it failed: ${JSON.stringify(landed?.error)} ${landed?.logs}`);
    return landed;
  }

  async #sign(payer, instructions, version) {
    const empty = setTransactionMessageFeePayerSigner(payer, createTransactionMessage({ version }));
    const { blockhash, lastValidBlockHeight } = this.#chain.blockhash();
    const alive = setTransactionMessageLifetimeUsingBlockhash(
      { blockhash, lastValidBlockHeight: BigInt(lastValidBlockHeight) },
      appendTransactionMessageInstructions(instructions, empty),
    );
    return Buffer.from(getTransactionEncoder().encode(await signTransactionMessageWithSigners(alive)));
  }
}
