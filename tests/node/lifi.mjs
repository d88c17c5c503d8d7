// LI.FI, as far as a quote goes: what it once said, about the swap that is asked for.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const SAID = new URL('../../shared/src/sources/quotes/recorded/lifi-quote.json', import.meta.url);
const NATIVE = '0x0000000000000000000000000000000000000000';

/** Starts it: `url` is what `LIFI_URL` has to be. */
export async function startLiFi() {
  const said = JSON.parse(await readFile(SAID, 'utf8'));
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://lifi');
    const [status, answer] = pathname === '/v1/quote' ? [200, quote(said, Object.fromEntries(searchParams))] : [404, {}];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
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

function quote(said, { fromChain, fromToken, toToken, fromAmount, fromAddress }) {
  const { action, estimate, transactionRequest } = said;
  const chainId = Number(fromChain);
  return {
    ...said,
    action: {
      ...action,
      fromChainId: chainId,
      toChainId: chainId,
      fromToken: { ...action.fromToken, address: fromToken },
      toToken: { ...action.toToken, address: toToken },
      fromAddress,
      toAddress: fromAddress,
    },
    estimate: { ...estimate, fromAmount },
    transactionRequest: { ...transactionRequest, from: fromAddress, chainId, value: fromToken === NATIVE ? fromAmount : '0' },
  };
}
