// A report for a person.

const MOST_SHOWN = 40;
const LONGEST = 300;

export function written({ graphql, rest, seed, cases, repeated, operations, differences, exceptions }) {
  const lines = [`Compared ${cases} cases (seed ${seed})`, `  GraphQL  ${graphql}`, `  REST     ${rest}`, ''];
  lines.push(row('operation', 'cases', 'refused', 'different', 'repeated'));
  for (const [name, tally] of Object.entries(operations).sort()) lines.push(row(name, tally.cases, tally.refused, tally.different, tally.repeated));
  lines.push('', 'Not compared as they are:', ...exceptions.map((exception) => `  ${exception}`), '');
  for (const difference of differences.slice(0, MOST_SHOWN)) lines.push(...one(difference), '');
  if (differences.length > MOST_SHOWN) lines.push(`and ${differences.length - MOST_SHOWN} more cases that differ`, '');
  lines.push(differences.length === 0 ? `No difference (${repeated} cases were repeated because something moved).` : `${differences.length} cases differ.`);
  return lines.join('\n');
}

function row(name, ...counts) {
  return `  ${String(name).padEnd(20)}${counts.map((count) => String(count).padStart(11)).join('')}`;
}

function one({ number, operation, note, caller, args, key, again, condition, request, found }) {
  const how = [caller, key && `Idempotency-Key ${key.slice(0, 40)}`, again && `again: ${again}`, condition && `If-None-Match: ${condition}`].filter(Boolean).join(', ');
  return [
    `case ${number}: ${operation}, ${note}${how && ` (${how})`}`,
    ...(request ? [`  GraphQL  ${operation} ${short(args)}`, `  REST     ${request.slice(0, LONGEST)}`] : []),
    ...found.flatMap(({ path, graphql, rest }) => [`  at ${path || 'the whole answer'}`, `    GraphQL  ${short(graphql)}`, `    REST     ${short(rest)}`]),
  ];
}

function short(value) {
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}... (${text.length} characters)` : text;
}
