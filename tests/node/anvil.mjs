// An EVM node that a test file owns: Foundry's anvil, from the packages of tests/chains. A block per transaction; its accounts are
// unlocked.
import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { freePort, until } from './server.mjs';

/** It says that it is Ethereum, so that who quotes swaps there will quote them here. */
export const CHAIN = 'eip155:1';
const BINARY = fileURLToPath(new URL(`../chains/node_modules/@foundry-rs/anvil-linux-${process.arch === 'x64' ? 'amd64' : process.arch}/bin/anvil`, import.meta.url));

/** Starts one. `rpc(method, ...params)` asks it; `stop()` ends it. */
export async function startAnvil() {
  await access(BINARY).catch(() => {
    throw new Error(`${BINARY} is missing: run \`make test\`, or \`npm --prefix tests/chains ci --ignore-scripts\``);
  });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(BINARY, ['--port', String(port), '--chain-id', '1', '--silent'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const rpc = (method, ...params) => call(url, method, params);
  try {
    await until('anvil answers', () => rpc('eth_chainId').catch(() => undefined), ended);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, rpc, stop };
}

async function call(url, method, params) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { result, error } = await response.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}
