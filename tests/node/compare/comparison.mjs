// Runs cases through both faces and says where they differ.
import { differences } from './difference.mjs';
import { Names, changesWithEachCall, mayHaveMoved, withoutExceptions } from './exceptions.mjs';
import { OPERATIONS } from './operations.mjs';
import { broken, nextPage } from './protocol.mjs';

/** How often a case is tried again where something may have moved between its two calls. */
const REPEATS = 2;
const MOST_PAGES = 20;

export class Comparison {
  #graphql;
  #rest;
  #users;
  #seed;
  #names = new Map();

  /** `users`: by caller, the token of GraphQL's side and that of REST's. */
  constructor({ graphql, rest, users, seed }) {
    this.#graphql = graphql;
    this.#rest = rest;
    this.#users = users;
    this.#seed = seed;
    for (const { graphql: one, rest: other } of Object.values(users)) {
      for (const token of [one, other]) this.#names.set(token, new Names(one === other ? undefined : subject(token)));
    }
  }

  /** Gives what the two users of a caller have already one name each, and says whether it is the same. */
  async haveSameHistory(caller) {
    const [one, other] = await Promise.all([this.#users[caller].graphql, this.#users[caller].rest].map((token) => this.#history(token)));
    return differences(one, other).length === 0;
  }

  async #history(token) {
    const names = this.#names.get(token);
    const { value: state } = await this.#graphql.ask('emotion', {}, { token });
    if (!state) throw new Error('a token is refused: give one that is valid');
    if (state.version > 0) names.learn('the feedback before', { updatedAt: state.updatedAt });
    const memories = [];
    for (let after, place = 1; ; ) {
      const { value } = await this.#graphql.ask('memories', { first: 100, ...(after && { after }) }, { token });
      for (const memory of value.items) {
        names.learn(`memory ${place++} before`, memory);
        memories.push(memory);
      }
      after = value.endCursor;
      if (!value.hasNextPage) return names.in([state.emotion, state.points, state.version, memories, after]);
    }
  }

  /** `{ found, repeated, asked, refused }`: the differences of a case, how often it was repeated, what was asked of REST, and
   * whether the answer was an error. */
  async run(asked) {
    for (let repeated = 0; ; repeated += 1) {
      const outcome = await this.#once(asked, repeated);
      const again = repeated < REPEATS && mayHaveMoved(asked.operation, outcome.found);
      if (!again) return { ...outcome, repeated };
    }
  }

  async #once(asked, repeated) {
    const scene = this.#scene(asked, repeated);
    if (asked.operation === 'memory') return this.#memory(asked, scene);
    const { graphql, rest } = await this.#both(asked, scene);
    const found = this.#compare(asked, scene, graphql, rest);
    if (asked.follow && found.length === 0) found.push(...(await this.#follow(asked, scene, graphql, rest)));
    if (asked.condition && !rest.error) found.push(...(await this.#conditionally(asked, scene, rest)));
    if (asked.head && rest.asked.startsWith('GET')) found.push(...(await this.#head(asked, scene, rest)));
    if (asked.again) found.push(...(await this.#again(asked, scene, graphql, rest)));
    return { found, asked: rest.asked, refused: rest.error !== undefined };
  }

  /** Who asks on either side, and with which arguments: what a case made has another id on each. */
  #scene({ number, caller, args, key, token, style }, repeated) {
    const users = this.#users[caller] ?? { graphql: token, rest: token };
    const who = (side) => ({
      token: users[side],
      key,
      style,
      label: `compare_${number}`,
      correlation: `compare-${this.#seed}-${number}-${repeated}`,
    });
    const names = { graphql: this.#names.get(users.graphql) ?? new Names(), rest: this.#names.get(users.rest) ?? new Names() };
    const resolved = (side) => (args.id?.made === undefined ? args : { ...args, id: names[side].idOf(`case ${args.id.made}`) });
    return { names, graphql: { who: who('graphql'), args: resolved('graphql') }, rest: { who: who('rest'), args: resolved('rest') } };
  }

  /** Mutations one after the other: they may be about the same thing. Queries at once: what they read may move. */
  async #both({ operation }, { graphql, rest }) {
    const one = () => this.#graphql.ask(operation, graphql.args, graphql.who);
    const other = () => this.#rest.ask(operation, rest.args, rest.who);
    if (OPERATIONS[operation].mutation) return { graphql: await one(), rest: await other() };
    const [first, second] = await Promise.all([one(), other()]);
    return { graphql: first, rest: second };
  }

  #compare({ operation, number, typed }, scene, graphql, rest, label = `case ${number}`) {
    if (OPERATIONS[operation]?.mutation) {
      scene.names.graphql.learn(label, graphql.value);
      scene.names.rest.learn(label, rest.value);
    }
    const [one, other] = [this.#shown(operation, scene.names.graphql, graphql), this.#shown(operation, scene.names.rest, rest)];
    if (typed && one.error?.message && other.error?.message) one.error.message = other.error.message = '<about a type>';
    return [...differences(one, other), ...broken(operation, graphql, rest, scene.rest.who)];
  }

  #shown(operation, names, { value, error }) {
    return withoutExceptions(operation, names.in(error ? { error } : { value }));
  }

  /** Page after page, as each face says where the next one is. */
  async #follow(asked, scene, graphql, rest) {
    let [one, other] = [graphql, rest];
    for (let page = 2; page <= MOST_PAGES && one.value?.hasNextPage; page += 1) {
      const next = nextPage(other);
      [one, other] = await Promise.all([
        this.#graphql.ask(asked.operation, { ...scene.graphql.args, after: one.value.endCursor }, scene.graphql.who),
        this.#rest.send({ url: next }, scene.rest.who),
      ]);
      const found = this.#compare(asked, scene, one, other);
      if (found.length > 0) return found.map((difference) => ({ ...difference, path: `${difference.path} of page ${page}` }));
    }
    return [];
  }

  /** The same again under `If-None-Match`. */
  async #conditionally({ operation, condition }, { rest: { who } }, rest) {
    const { etag } = rest.http.headers;
    if (!etag) return [];
    const changes = changesWithEachCall(operation, { value: rest.value });
    const [header, status] = {
      'its ETag': [etag, 304],
      'its ETag among others': [`"nothing", ${etag}`, 304],
      'its ETag, weak': [etag.startsWith('W/') ? etag : `W/${etag}`, 304],
      any: ['*', 304],
      'another ETag': ['"nothing"', 200],
    }[condition];
    if (changes && header.includes(etag)) return [];
    const again = await this.#rest.send({ url: rest.target }, { ...who, headers: { 'if-none-match': header } });
    const expected = { status, etag: changes ? again.http.headers.etag : etag, ...(status === 304 ? { text: '' } : withoutExceptions(operation, { value: rest.value })) };
    const found = { status: again.http.status, etag: again.http.headers.etag, ...(again.http.text === '' ? { text: '' } : withoutExceptions(operation, { value: again.value })) };
    return differences(expected, found).map((difference) => ({ ...difference, path: `under a condition: ${difference.path}` }));
  }

  async #head({ operation }, { rest: { who } }, rest) {
    const head = await this.#rest.send({ method: 'HEAD', url: rest.target }, who);
    const changes = changesWithEachCall(operation, { value: rest.value });
    const about = ({ http: { status, headers } }, text) => ({ status, type: headers['content-type'], ...(!changes && { etag: headers.etag }), text });
    return differences(about(rest, ''), about(head, head.http.text)).map((difference) => ({ ...difference, path: `HEAD: ${difference.path}` }));
  }

  /** A second time under the same key: by the same face, for something else, or by the other face. */
  async #again(asked, scene, graphql, rest) {
    const { operation, again } = asked;
    const { graphql: one, rest: other } = scene;
    const named = (found) => found.map((difference) => ({ ...difference, path: `again, ${again}: ${difference.path}` }));
    if (again === 'other face') {
      // Each user by the other face. It was done already, so that nothing is done again.
      const crossed = {
        graphql: await this.#graphql.ask(operation, other.args, other.who),
        rest: await this.#rest.ask(operation, one.args, one.who),
      };
      const names = { graphql: scene.names.rest, rest: scene.names.graphql };
      return named([
        ...differences(this.#shown(operation, scene.names.graphql, graphql), this.#shown(operation, names.graphql, crossed.graphql)),
        ...this.#compare({ ...asked, number: `${asked.number} again` }, { ...scene, names }, crossed.graphql, crossed.rest),
      ]);
    }
    const changed = again === 'other input' ? otherInput(operation) : {};
    const second = {
      graphql: await this.#graphql.ask(operation, { ...one.args, ...changed }, one.who),
      rest: await this.#rest.ask(operation, { ...other.args, ...changed }, other.who),
    };
    const found = this.#compare({ ...asked, number: `${asked.number} again` }, scene, second.graphql, second.rest);
    if (again === 'same') {
      const first = this.#shown(operation, scene.names.graphql, graphql);
      found.push(...differences(first, this.#shown(operation, scene.names.graphql, second.graphql)));
    }
    return named(found);
  }

  /** One memory, which GraphQL shows in a list alone. */
  async #memory(asked, scene) {
    const { graphql, rest } = scene;
    const { value, error } = await this.#fromList(graphql);
    const answer = await this.#rest.send({ path: `/v1/memories/${encodeURIComponent(rest.args.id)}` }, rest.who);
    const expected = error ? { error } : value ? { value } : { error: { code: 'NOT_FOUND', message: `there is no memory ${graphql.args.id}`, details: {} } };
    const found = this.#compare(asked, scene, expected, answer);
    if (asked.condition && !answer.error) found.push(...(await this.#conditionally(asked, scene, answer)));
    if (asked.head) found.push(...(await this.#head(asked, scene, answer)));
    return { found, asked: answer.asked, refused: answer.error !== undefined };
  }

  async #fromList({ args, who }) {
    for (let after; ; ) {
      const { value, error } = await this.#graphql.ask('memories', { first: 100, ...(after && { after }) }, who);
      if (error) return { error };
      const memory = value.items.find(({ id }) => id === args.id);
      if (memory || !value.hasNextPage) return { value: memory };
      after = value.endCursor;
    }
  }
}

function otherInput(operation) {
  return {
    updateEmotion: { feedback: 42 },
    addMemory: { content: 'something else' },
    deleteMemory: { id: '00000000-0000-7000-8000-000000000001' },
  }[operation];
}

/** Whom a token is about. It is for the server to verify it; here it is only the name to look for. */
function subject(token) {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).sub;
  } catch {
    return undefined;
  }
}
