// One HTTP exchange, as plain data. Whoever says 429 is asked again when it says so.
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 30_000;
const TRIES = 5;
const LONGEST_WAIT_S = 120;

/** A side that does not answer, or whose answer nobody can compare. */
export class Unreachable extends Error {}

/** Asks, and gives `{ status, headers, text, json }`; `json` is undefined where the body is none. */
export async function ask(url, { method = 'GET', headers = {}, body } = {}, log = () => {}) {
  for (let tries = 1; ; tries += 1) {
    const answer = await once(url, { method, headers, body });
    if (answer.status !== 429) return answer;
    const seconds = Math.min(Number(answer.headers['retry-after']) || 1, LONGEST_WAIT_S);
    if (tries === TRIES) throw new Unreachable(`${url} still says 429 after ${TRIES} tries`);
    log(`429 from ${new URL(url).host}: waiting ${seconds} s`);
    await sleep(seconds * 1000);
  }
}

async function once(url, request) {
  try {
    const response = await fetch(url, { ...request, redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text();
    return { status: response.status, headers: Object.fromEntries(response.headers), text, json: parsed(text) };
  } catch (error) {
    throw new Unreachable(`${request.method} ${url}: ${error.cause?.message ?? error.message}`);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
