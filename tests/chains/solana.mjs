// A Solana node for tests, and not a real one: a JSON-RPC and websocket front of our own over litesvm, which is Solana's virtual
// machine in this process. Programs, fees and failures are real. There is no consensus, no fork and no other node: slots move
// when a transaction lands or a test says so (solana/chain.mjs). The shapes are those of Agave's RPC. It shares no code with the
// adapter that it tests.
//
//   node solana.mjs PORT     HTTP and websocket on 127.0.0.1:PORT
//
// Beside Agave's methods, a test's controls, which work in any mode of `test_fail`:
//   test_keys                                      -> { address, secret }
//   test_transfer { secret, to, amount, mint?, memo?, version? } -> a signed transaction in base64, not sent
//   test_createMint { decimals }                   -> the mint
//   test_mintTo { mint, owner, amount }            -> { account, signature }
//   test_advanceSlots N                            -> the newest slot
//   test_confirmAfter N                            -> what lands is confirmed only when N slots lie above it (0 at first)
//   test_landTogether [transaction in base64, ...] -> their slot
//   test_fail { mode: '429' | 'garbage' | 'lag' | null, slots? }
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { Chain } from './solana/chain.mjs';
import { RpcError, toJson } from './solana/json.mjs';
import { methods } from './solana/methods.mjs';
import { Subscriptions } from './solana/subscriptions.mjs';
import { Wallet, newKeys } from './solana/wallet.mjs';

const chain = new Chain();
const wallet = await Wallet.of(chain);
const subscriptions = new Subscriptions(chain);
let failing = null;

const controls = {
  test_keys: () => newKeys(),
  test_transfer: (asked) => wallet.transfer(asked),
  test_createMint: (asked) => wallet.createMint(asked ?? {}),
  test_mintTo: (asked) => wallet.mintTo(asked),
  test_advanceSlots: (slots) => {
    chain.advance(slots);
    return chain.slot('processed');
  },
  test_confirmAfter: (slots) => {
    chain.confirmedAfter = slots;
    return slots;
  },
  test_landTogether: (texts) => chain.landTogether(texts.map((text) => chain.decode(Buffer.from(text, 'base64')))),
  test_fail: ({ mode, slots = 50 }) => {
    failing = mode === 'none' ? null : mode;
    chain.lag = failing === 'lag' ? slots : 0;
    return failing;
  },
};
const rpc = { ...methods(chain, wallet), ...controls };

/** The answer to one call. */
async function answer(call, known) {
  const id = call?.id ?? null;
  try {
    if (call?.jsonrpc !== '2.0' || typeof call.method !== 'string') throw new RpcError(-32600, 'Invalid request');
    if (!Object.hasOwn(known, call.method)) throw new RpcError(-32601, 'Method not found');
    return { jsonrpc: '2.0', result: await known[call.method](...(call.params ?? [])), id };
  } catch (error) {
    if (!(error instanceof RpcError)) console.error(error);
    const { code = -32603, message, data } = error instanceof RpcError ? error : { message: `Internal error: ${error.message}` };
    return { jsonrpc: '2.0', error: { code, message, ...(data && { data }) }, id };
  }
}

async function answerAll(text, known) {
  let asked;
  try {
    asked = JSON.parse(text);
  } catch {
    return { jsonrpc: '2.0', error: { code: -32700, message: 'Parse error' }, id: null };
  }
  if (!Array.isArray(asked)) return answer(asked, known);
  const answers = [];
  for (const call of asked) answers.push(await answer(call, known));
  return answers;
}

async function serve(request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  if (request.method === 'GET' && request.url === '/health') return response.end(chain.lag ? 'behind' : 'ok');
  if (request.method !== 'POST') return response.writeHead(405).end('Used HTTP Method is not allowed. POST or OPTIONS is required');
  const control = text.includes('"test_');
  if (failing === '429' && !control) {
    const error = { code: 429, message: 'Too many requests for a specific RPC call' };
    return response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' }).end(toJson({ jsonrpc: '2.0', error, id: 1 }));
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  if (failing === 'garbage' && !control) return response.end(Buffer.from([0xff, 0x00, 0x7b, 0x22, 0xfe]));
  return response.end(toJson(await answerAll(text, rpc)));
}

const server = createServer((request, response) => {
  serve(request, response).catch((error) => response.destroy(error));
});
new WebSocketServer({ server }).on('connection', (socket) => {
  const send = (message) => socket.send(toJson(message));
  const known = subscriptions.methods(send);
  socket.on('message', async (text) => send(await answerAll(text.toString(), known)));
  socket.on('close', () => subscriptions.leave(send));
  socket.on('error', () => socket.terminate());
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
