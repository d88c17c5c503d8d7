// Compares the two faces of a deployment: node main.mjs --graphql URL --rest URL, and --help for the rest.
// Ends with 0 where there is no difference, 1 where there is one, 2 where a side cannot be asked.
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';

import { written } from './report.mjs';
import { compare } from './run.mjs';
import { Unreachable } from './transport.mjs';

const HELP = `Asks GraphQL and REST the same and compares the answers, field by field.

  --graphql URL               https://host or https://host/graphql
  --rest URL                  https://host or https://host/v1
  --token T                   a token of a USER; without one only anonymous callers ask
  --other-token T             one of another USER with the same history, best none: REST's side of what is written
  --admin-token T, --other-admin-token T   the same with the role ADMIN
                              or TOKEN, OTHER_TOKEN, ADMIN_TOKEN and OTHER_ADMIN_TOKEN in the environment
  --cases N                   how many (500)
  --seed S                    repeats a run
  --json FILE                 writes the report as JSON, too
  --read-only, --write        leave out what changes anything; or do not. Read-only is the default, except on this machine
`;

const TOKENS = ['token', 'other-token', 'admin-token', 'other-admin-token'];
const OPTIONS = {
  graphql: { type: 'string' },
  rest: { type: 'string' },
  ...Object.fromEntries(TOKENS.map((name) => [name, { type: 'string' }])),
  cases: { type: 'string', default: '500' },
  seed: { type: 'string' },
  json: { type: 'string' },
  'read-only': { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

process.exitCode = await main().catch((error) => {
  if (!(error instanceof Unreachable)) throw error;
  console.error(`cannot compare: ${error.message}`);
  return 2;
});

async function main() {
  const options = read();
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  const report = await compare({ ...options, log: (line) => console.error(line) });
  console.log(written(report));
  if (options.json) await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
  return report.differences.length === 0 ? 0 : 1;
}

function read() {
  const { values } = parsed();
  for (const name of TOKENS) values[name] ||= process.env[name.replaceAll('-', '_').toUpperCase()] || undefined;
  if (values.help) return values;
  const { graphql, rest, json } = values;
  if (!graphql || !rest) throw new Unreachable('--graphql and --rest say who is asked; --help says more');
  const local = [graphql, rest].every((url) => isLoopback(address(url)));
  if (values.write && values['read-only']) throw new Unreachable('--write and --read-only exclude each other');
  const writes = !values['read-only'] && (values.write || local) && values['other-token'] !== undefined;
  if (values.write && !writes) throw new Unreachable('--write needs --token and --other-token, of two users with the same history');
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : whole('seed', values.seed, 0, 2 ** 32 - 1);
  return { graphql, rest, json, seed, writes, users: users(values, writes), count: whole('cases', values.cases, 1, 1_000_000) };
}

function parsed() {
  try {
    return parseArgs({ options: OPTIONS });
  } catch (error) {
    throw new Unreachable(`${error.message}; --help says what there is`);
  }
}

/** Where nothing is written, one user asks both. */
function users(values, writes) {
  const pair = (one, other) => one && (!writes || other) && { graphql: one, rest: writes ? other : one };
  const all = { user: pair(values.token, values['other-token']), admin: pair(values['admin-token'], values['other-admin-token']) };
  return Object.fromEntries(Object.entries(all).filter(([, tokens]) => tokens));
}

function address(url) {
  if (!URL.canParse(url)) throw new Unreachable(`${url} is no URL`);
  return new URL(url);
}

function isLoopback({ hostname }) {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function whole(name, text, low, high) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < low || number > high) throw new Unreachable(`--${name} is a whole number from ${low} to ${high}, not ${text}`);
  return number;
}
