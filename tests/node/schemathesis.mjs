// REST as its OpenAPI document describes it, asked by schemathesis: whatever the document allows is accepted, whatever it does not is
// refused, and every answer is one that it describes. What is left out is said in schemathesis/schemathesis.toml.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { CHAIN, startAnvil } from './anvil.mjs';
import { startLiFi } from './lifi.mjs';
import { startServer } from './server.mjs';

const LIMIT = { timeout: 300_000 };
const HERE = fileURLToPath(new URL('./schemathesis', import.meta.url));

const anvil = await startAnvil();
after(anvil.stop);
const lifi = await startLiFi();
after(lifi.stop);
const settings = { EVM_RPC_URLS: `${CHAIN}=${anvil.url}`, QUOTE_SOURCES: 'lifi', LIFI_URL: lifi.url, PRICE_POLL_SECONDS: '60' };
const server = await startServer(settings);
after(server.stop);

test('REST keeps to its OpenAPI document with a token', LIMIT, async (t) => {
  // Told as the security scheme that the document names: so it knows where leaving it out has to be refused.
  await findsNothing(t, `[auth.openapi.token]\nbearer = "${server.token('schemathesis')}"\n`);
});

test('REST keeps to its OpenAPI document without a token', LIMIT, async (t) => {
  await findsNothing(t, '');
});

/** Runs it in a folder of its own, with `more` beside its settings. */
async function findsNothing(t, more) {
  const program = process.env.SCHEMATHESIS;
  if (!program) throw new Error('SCHEMATHESIS is not set: run `scripts/test-rest.sh`, or set it to the path of schemathesis');
  const folder = await mkdtemp(join(tmpdir(), 'mcp-schemathesis-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'schemathesis.toml');
  await writeFile(config, `${await readFile(join(HERE, 'schemathesis.toml'), 'utf8')}\n${more}`);
  const args = ['--config-file', config, 'run', `${server.url}/v1/openapi.json`, '--no-color'];
  const env = { ...process.env, PYTHONPATH: HERE, PYTHONDONTWRITEBYTECODE: '1' };
  const { code, output } = await run(program, args, { cwd: folder, env });
  assert.equal(code, 0, output);
  const [, generated] = /^ +(\d+) generated/m.exec(output) ?? [];
  assert.ok(Number(generated) > 200, `it hardly asked anything:\n${output}`);
  t.diagnostic(`${generated} cases`);
}

function run(program, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    child.once('error', reject).once('close', (code) => resolve({ code, output }));
  });
}
