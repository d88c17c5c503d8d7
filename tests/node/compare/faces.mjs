// The two faces of one deployment. Both answer in one form: `{ value }` or `{ error: { code, message, details } }`, with the raw
// HTTP answer beside it.
import { isObject } from './difference.mjs';
import { OPERATIONS } from './operations.mjs';
import { Schema } from './schema.mjs';
import { Unreachable, ask } from './transport.mjs';

export class Graphql {
  #log;

  constructor(url, log) {
    this.url = withPath(url, '/graphql');
    this.#log = log;
  }

  /** Reads the schema, and sees whether anybody answers. */
  async open() {
    const sdl = await ask(new URL(this.url.pathname.replace(/graphql$/, 'schema.graphql'), this.url), {}, this.#log);
    if (sdl.status !== 200) throw new Unreachable(`the schema is not there: ${sdl.status} from ${this.url.origin}`);
    this.schema = new Schema(sdl.text);
    const { value } = await this.#post({ query: 'query compare { __typename }' }, {});
    if (value?.__typename !== 'Query') throw new Unreachable(`${this.url} does not answer as GraphQL does`);
  }

  async ask(operation, args, { label = 'compare', ...who } = {}) {
    const answer = await this.#post(this.schema.document(operation, args, label), who);
    if (answer.error) return answer;
    const value = answer.value[operation];
    const shape = OPERATIONS[operation].shape ?? ((it) => it);
    return { ...answer, value: shape(value, args) };
  }

  async #post(body, who) {
    const headers = { ...headersOf(who), 'content-type': 'application/json', accept: 'application/graphql-response+json' };
    const http = await ask(this.url, { method: 'POST', headers, body: JSON.stringify(body) }, this.#log);
    const [error] = http.json?.errors ?? [];
    if (error) {
      const { code, ...details } = error.extensions ?? {};
      return { error: { code, message: error.message, details }, http };
    }
    if (!isObject(http.json?.data)) throw new Unreachable(`${this.url} answers ${http.status} with what is no GraphQL: ${http.text.slice(0, 200)}`);
    return { value: http.json.data, http };
  }
}

export class Rest {
  #log;

  constructor(url, log) {
    this.url = withPath(url, '/v1');
    this.#log = log;
  }

  /** Sees whether anybody answers; gives the routes that the OpenAPI document lists. */
  async open() {
    const { status, json } = await ask(new URL(`${this.url.pathname}/openapi.json`, this.url), {}, this.#log);
    if (status !== 200 || !isObject(json?.paths)) throw new Unreachable(`${this.url}/openapi.json answers ${status}, not the description of an API`);
    return Object.entries(json.paths).flatMap(([path, methods]) =>
      Object.keys(methods).filter((method) => /^(get|post|put|patch|delete)$/.test(method)).map((method) => `${method.toUpperCase()} ${path}`),
    );
  }

  ask(operation, args, { style, ...who } = {}) {
    return this.send(OPERATIONS[operation].rest(args, style), who);
  }

  /** `request` is `{ method, path, query, body }`, or the `url` that a header gave. */
  async send({ method = 'GET', path, query, body, url }, who = {}) {
    const target = url ?? this.#target(path, query);
    const headers = { ...headersOf(who), ...who.headers };
    if (method === 'POST') headers['content-type'] = 'application/json';
    const http = await ask(target, { method, headers, body: method === 'POST' ? JSON.stringify(body ?? {}) : undefined }, this.#log);
    const asked = `${method} ${target.pathname}${target.search}`;
    return { asked, target, http, ...read(http) };
  }

  #target(path, query = {}) {
    const target = new URL(this.url.pathname.replace(/\/v1$/, '') + path, this.url);
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) {
        if (value !== undefined && value !== null) target.searchParams.append(name, value);
      }
    }
    return target;
  }
}

function read({ status, json, text }) {
  if (status < 400) return { value: text === '' ? undefined : (json ?? text) };
  if (!isObject(json)) return { error: { code: `no problem details, but ${JSON.stringify(text.slice(0, 200))}` } };
  const { type, title, status: said, detail, instance, code, ...details } = json;
  return { error: { code, message: detail, details } };
}

function headersOf({ token, key, correlation }) {
  return {
    ...(token && { authorization: token.includes(' ') || token === 'Bearer' || token === 'token' ? token : `Bearer ${token}` }),
    ...(key && { 'idempotency-key': key }),
    ...(correlation && { 'x-correlation-id': correlation }),
  };
}

/** `https://host`, `https://host/` and `https://host/graphql` are all the same. */
function withPath(url, path) {
  const target = new URL(url);
  target.pathname = target.pathname.replace(/\/+$/, '');
  if (!target.pathname.endsWith(path)) target.pathname = target.pathname.replace(/\/$/, '') + path;
  return target;
}
