// A proxy that changes answers on their way: what a comparison has to find.
import { createServer } from 'node:http';

/** Stands in front of `upstream`. `tamper(answer, request)` may change `answer`, `{ status, headers, body }`, as it likes. */
export async function startTampering(upstream, tamper) {
  const server = createServer((request, response) => {
    pass(upstream, tamper, request, response).catch((error) => response.destroy(error));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function pass(upstream, tamper, request, response) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const { host, connection, 'content-length': length, ...headers } = request.headers;
  const answered = await fetch(upstream + request.url, { method: request.method, headers, body: body.length > 0 ? body : undefined, redirect: 'manual' });
  const answer = { status: answered.status, headers: Object.fromEntries(answered.headers), body: await answered.text() };
  for (const name of ['content-length', 'transfer-encoding', 'content-encoding', 'connection']) delete answer.headers[name];
  tamper(answer, request);
  response.writeHead(answer.status, answer.headers).end(request.method === 'HEAD' || answer.status === 304 ? undefined : answer.body);
}
