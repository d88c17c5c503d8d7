// The public conformance suite for GraphQL over HTTP, against /graphql. Every MUST and every SHOULD has to hold.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { startServer } from './server.mjs';

const server = await startServer();
after(server.stop);

for (const audit of serverAudits({ url: `${server.url}/graphql` })) {
  test(`${audit.name} (${audit.id})`, async (t) => {
    const result = await audit.fn();
    if (result.status === 'ok') return;
    const answer = `${result.reason}; answered ${result.response.status} ${await bodyOf(result.response)}`;
    if (audit.name.startsWith('MAY')) t.diagnostic(answer);
    else assert.fail(answer);
  });
}

/** The suite may have read the body already. */
function bodyOf(response) {
  return response.bodyUsed ? '' : response.text();
}
