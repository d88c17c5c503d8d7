// The compiled local server, for as long as a test file runs: in a temporary folder, offline, on a free port.
import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS = 30_000;

/** Starts `MCP_LOCAL_BIN` and waits until it answers; `more` are variables beyond those it needs. `stop()` ends it as
 * Ctrl-C does. */
export async function startServer(more = {}) {
  const binary = process.env.MCP_LOCAL_BIN;
  if (!binary) throw new Error('MCP_LOCAL_BIN is not set: run `make test`, or set it to the path of mcp-local');

  const folder = await mkdtemp(join(tmpdir(), 'mcp-node-'));
  const address = `127.0.0.1:${await freePort()}`;
  const secret = randomBytes(32).toString('hex');
  const child = spawn(binary, {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: `sqlite:${join(folder, 'test.db')}`,
      HTTP_ADDR: address,
      JWT_SECRET: secret,
      PRICE_POLL_SECONDS: '5',
      PRICE_SOURCES: 'simulated',
      RATE_LIMITS: 'off',
      ...more,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));

  const stop = async () => {
    child.kill('SIGINT');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = `http://${address}/healthz`;
    await until(`mcp-local answers ${url}`, () => fetch(url).then((response) => response.ok, () => false), ended);
  } catch (error) {
    child.kill('SIGKILL');
    await stop();
    throw new Error(`${error.message}; it printed:\n${output}`);
  }
  return { url: `http://${address}`, websocketUrl: `ws://${address}`, token: (...claims) => token(secret, ...claims), stop };
}

/** Waits until `check` gives something, and gives that. `ended` is settled when there is no use in waiting. */
export async function until(what, check, ended = new Promise(() => {}), patience = START_MS) {
  let over;
  ended.then((how) => (over = how));
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(50)) {
    if (over !== undefined) throw new Error(`${what}: it ended instead (${over})`);
    const given = await check();
    if (given) return given;
  }
  throw new Error(`${what}: not after ${patience / 1000} s`);
}

/** A token as an issuer makes it, by nothing but the standard: HS256. */
export function token(secret, sub, role = 'USER', seconds = 3600) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const body = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, role, iat: now - 3600, exp: now + seconds })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** Below the range that Linux takes ports of outgoing connections from, so that nobody takes it before the server does. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 15_000);
    const free = await new Promise((resolve) => {
      const probe = createServer().once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
