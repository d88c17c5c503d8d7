// A run: opens both faces, makes the cases, compares, and gives a report as plain data.
import { generate } from './cases.mjs';
import { Comparison } from './comparison.mjs';
import { EXCEPTIONS, RULES } from './exceptions.mjs';
import { Graphql, Rest } from './faces.mjs';
import { OPERATIONS, ROUTES } from './operations.mjs';
import { Unreachable } from './transport.mjs';

/**
 * Compares. `users`: by caller (`user`, `admin`), the token of GraphQL's side and that of REST's; where anything is written these
 * must be two users with the same history. `writes`: whether to. `world`: what there is to be asked about.
 * `only`: the operations, if not all.
 */
export async function compare({ graphql, rest, users = {}, count = 500, seed, writes = false, world = {}, only, log = () => {} }) {
  const faces = { graphql: new Graphql(graphql, log), rest: new Rest(rest, log) };
  await faces.graphql.open();
  const routes = await faces.rest.open();
  const comparison = new Comparison({ ...faces, users, seed });
  const mayWrite = writes && users.user !== undefined;
  for (const caller of mayWrite ? Object.keys(users) : []) {
    if (!(await comparison.haveSameHistory(caller))) throw new Unreachable(`the two tokens for ${caller} are of users with different histories: take new ones`);
  }
  const { value: chains } = await faces.graphql.ask('chains', {});
  const known = { chains: chains.items.flatMap(({ id, name }) => [id, name]), ...world };
  const callers = ['anonymous', 'bad token', ...Object.keys(users)];
  const cases = generate({ count, seed, callers, writes: mayWrite, world: known, only });

  const report = { graphql: faces.graphql.url.href, rest: faces.rest.url.href, seed, cases: count, repeated: 0, operations: {}, differences: [], exceptions: told() };
  report.differences.push(...coverage(faces.graphql.schema.operations(), routes));
  for (const asked of cases) {
    const { found, repeated, refused, asked: request } = await comparison.run(asked);
    const tally = (report.operations[asked.operation] ??= { cases: 0, refused: 0, different: 0, repeated: 0 });
    tally.cases += 1;
    tally.refused += refused ? 1 : 0;
    tally.different += found.length > 0 ? 1 : 0;
    tally.repeated += repeated;
    report.repeated += repeated;
    if (found.length > 0) report.differences.push({ ...about(asked), request, found });
  }
  return report;
}

/** What one face can be asked and the other, or this suite, cannot. */
function coverage(operations, routes) {
  const unknown = [
    ...operations.filter((name) => !Object.hasOwn(OPERATIONS, name)).map((name) => ({ path: `${name} of GraphQL`, graphql: 'is there', rest: 'not known to this suite' })),
    ...Object.keys(OPERATIONS).filter((name) => !operations.includes(name)).map((name) => ({ path: name, graphql: 'not in the schema', rest: 'is known to this suite' })),
    ...routes.filter((route) => !ROUTES.includes(route)).map((route) => ({ path: `${route} of REST`, graphql: 'not known to this suite', rest: 'is there' })),
    ...ROUTES.filter((route) => !routes.includes(route)).map((route) => ({ path: route, graphql: 'is known to this suite', rest: 'not in openapi.json' })),
  ];
  return unknown.length > 0 ? [{ number: 0, operation: 'what there is', note: 'the schema and openapi.json', found: unknown }] : [];
}

function about({ number, operation, note, caller, args, key, again, condition, head, follow }) {
  return { number, operation, note, caller, args, ...(key && { key, again }), ...(condition && { condition }), ...(head && { head }), ...(follow && { follow }) };
}

function told() {
  return [...EXCEPTIONS.map(({ operation, path, as, why }) => `${operation}.${path}: compared as a ${as}; ${why}`), ...RULES];
}
