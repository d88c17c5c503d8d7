// Sockets for tests of subscriptions: a server that has them, a raw one, and a network that fails.
import { connect, createServer } from 'node:net';
import { once } from 'node:events';

import WebSocket from 'ws';

import { startServer, token } from './server.mjs';

/** Where clients connect: `WEBSOCKET_URL` with `JWT_SECRET`, an API Gateway whose functions run, or else a local server
 * started here. `saysWhy`: whether it can close a socket with a code of the protocol; API Gateway cannot. */
export async function startBackend() {
  const { WEBSOCKET_URL: url, JWT_SECRET: secret } = process.env;
  if (url) return { url, token: (...claims) => token(secret, ...claims), saysWhy: false, stop: () => {} };
  const server = await startServer();
  return { url: `${server.websocketUrl}/graphql/ws`, token: server.token, saysWhy: true, stop: server.stop };
}

/** A socket that keeps to no protocol but its own word. `next()`: the next message. `closed`: the code of the end. */
export async function rawSocket(url, protocols = ['graphql-transport-ws'], options = {}) {
  const socket = new WebSocket(url, protocols, options);
  const [messages, waiting] = [[], []];
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString());
    if (waiting.length) waiting.shift()(message);
    else messages.push(message);
  });
  // What is sent to a socket that the other side has ended is lost: `closed` tells.
  let failure;
  socket.on('error', (error) => (failure = error));
  const closed = new Promise((resolve) => socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })));
  await Promise.race([
    once(socket, 'open'),
    closed.then(({ code }) => Promise.reject(failure ?? new Error(`closed before it was open: ${code}`))),
  ]);
  const next = () => (messages.length ? messages.shift() : new Promise((resolve) => waiting.push(resolve)));
  return { socket, send: (message) => socket.send(JSON.stringify(message)), next, closed };
}

/** A way to `url` that can be cut: `cut()` ends every connection without a word and lets nobody through, until `mend()`. */
export async function startNetwork(url) {
  const target = new URL(url);
  const open = new Set();
  let broken = false;
  const server = createServer((client) => {
    if (broken) return void client.destroy();
    const upstream = connect(Number(target.port), target.hostname);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
      open.add(one);
      one.on('error', () => other.destroy()).on('close', () => other.destroy() && open.delete(one));
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.port = server.address().port;
  const cut = () => {
    broken = true;
    for (const socket of open) socket.destroy();
  };
  return { url: through.href, cut, mend: () => (broken = false), stop: () => (cut(), server.close()) };
}
