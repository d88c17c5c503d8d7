// Two JSON values, compared field by field.

/** What one side has not got, where the other has something. */
export const ABSENT = '(absent)';

/** Every place where `graphql` and `rest` differ: `[{ path, graphql, rest }]`, the path such as `items[2].usd`. */
export function differences(graphql, rest, path = '') {
  if (Object.is(graphql, rest)) return [];
  if (Array.isArray(graphql) && Array.isArray(rest)) return ofLists(graphql, rest, path);
  if (isObject(graphql) && isObject(rest)) return ofObjects(graphql, rest, path);
  return [{ path, graphql: graphql === undefined ? ABSENT : graphql, rest: rest === undefined ? ABSENT : rest }];
}

function ofLists(graphql, rest, path) {
  const length = Math.max(graphql.length, rest.length);
  return Array.from({ length }, (_, index) => differences(graphql[index], rest[index], `${path}[${index}]`)).flat();
}

function ofObjects(graphql, rest, path) {
  const names = new Set([...Object.keys(graphql), ...Object.keys(rest)]);
  return [...names].flatMap((name) => differences(graphql[name], rest[name], path ? `${path}.${name}` : name));
}

export function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
