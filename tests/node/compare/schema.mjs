// What can be asked, read from the SDL that the GraphQL side publishes: so no field is forgotten, and no new one either.
import { buildSchema, getNamedType, isLeafType, isNonNullType, isUnionType } from 'graphql';

/** Federation's own fields, which are about the graph and not about its data. */
const FEDERATION = ['_service', '_entities'];

export class Schema {
  #schema;

  constructor(sdl) {
    this.#schema = buildSchema(sdl, { assumeValidSDL: true });
  }

  /** The names of all queries and mutations. */
  operations() {
    const fields = [this.#schema.getQueryType(), this.#schema.getMutationType()].flatMap((type) => Object.keys(type?.getFields() ?? {}));
    return fields.filter((name) => !FEDERATION.includes(name));
  }

  /** A document that asks one root field for everything that it has, its arguments as variables. Arguments that the
   * schema does not know are written as they are; and so is a null for what must not be one: as a variable it would be an
   * error of the request, which comes before anybody looks at who asks. */
  document(name, args, label) {
    const [kind, root] = this.#schema.getMutationType()?.getFields()[name]
      ? ['mutation', this.#schema.getMutationType()]
      : ['query', this.#schema.getQueryType()];
    const field = root.getFields()[name];
    const known = new Map(field.args.map((arg) => [arg.name, arg.type]));
    const variables = Object.keys(args).filter((arg) => known.has(arg) && !(args[arg] === null && isNonNullType(known.get(arg))));
    const declared = variables.map((arg) => `$${arg}: ${known.get(arg)}`).join(', ');
    const given = Object.keys(args).map((arg) => (variables.includes(arg) ? `${arg}: $${arg}` : `${arg}: ${JSON.stringify(args[arg])}`));
    const query = [
      `${kind} ${label}${declared && `(${declared})`} {`,
      ` ${name}${given.length ? `(${given.join(', ')})` : ''}${selection(field.type)} }`,
    ].join('');
    return { query, variables: Object.fromEntries(variables.map((arg) => [arg, args[arg]])) };
  }
}

function selection(outer) {
  const type = getNamedType(outer);
  if (isLeafType(type)) return '';
  if (isUnionType(type)) {
    const members = type.getTypes().map((member) => `... on ${member.name}${selection(member)}`);
    return ` { __typename ${members.join(' ')} }`;
  }
  const fields = Object.values(type.getFields()).filter((field) => field.args.length === 0);
  return ` { ${fields.map((field) => field.name + selection(field.type)).join(' ')} }`;
}
