// What REST promises beyond the answer itself: statuses, headers, the form of an error. What is broken is told as a difference,
// with what should be there on GraphQL's side.
import { OPERATIONS } from './operations.mjs';

/** The status of each code. */
export const STATUS = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  RATE_LIMITED: 429,
  BAD_USER_INPUT: 400,
  QUERY_TOO_COMPLEX: 400,
  NOT_FOUND: 404,
  PERSISTED_QUERY_NOT_FOUND: 404,
  CONFLICT: 409,
  UPSTREAM_UNAVAILABLE: 503,
  TIMEOUT: 504,
  INTERNAL: 500,
};

const ETAG = /^(W\/)?"[\x21\x23-\x7e]*"$/;

/** What `answer` of REST breaks, where GraphQL came to `expected`. */
export function broken(operation, expected, answer, { token, correlation } = {}) {
  const { http, target } = answer;
  const method = answer.asked.split(' ')[0];
  const found = [];
  const must = (path, graphql, rest) => graphql === rest || found.push({ path, graphql, rest: rest ?? '(absent)' });
  const fits = (path, pattern, rest) => pattern.test(rest ?? '') || found.push({ path, graphql: `something like ${pattern}`, rest: rest ?? '(absent)' });

  const success = OPERATIONS[operation]?.status ?? 200;
  must('status', expected.error ? STATUS[expected.error.code] : success, http.status);
  if (correlation) must('headers.x-correlation-id', correlation, http.headers['x-correlation-id']);
  if (http.status >= 400) {
    fits('headers.content-type', /^application\/problem\+json\b/, http.headers['content-type']);
    must('problem.status', http.status, http.json?.status);
    fits('problem.title', /./, http.json?.title);
    fits('problem.type', /./, http.json?.type);
    if (http.status === 401) fits('headers.www-authenticate', /^Bearer\b/, http.headers['www-authenticate']);
    const seconds = http.json?.retryAfterSeconds;
    if (seconds !== undefined) must('headers.retry-after', String(seconds), http.headers['retry-after']);
    return found;
  }
  if (http.status === 204) must('body', '', http.text);
  else fits('headers.content-type', /^application\/json\b/, http.headers['content-type']);
  if (method === 'GET') fits('headers.etag', ETAG, http.headers.etag);
  // Nobody else may be shown what this caller was.
  if (token || method !== 'GET') fits('headers.cache-control', /\b(private|no-store)\b/, http.headers['cache-control']);
  if (operation === 'addMemory') must('headers.location', `${target.pathname}/${answer.value?.id}`, pathOf(http.headers.location, target));
  if (OPERATIONS[operation]?.paged) {
    const next = nextPage(answer);
    must('headers.link has a next page', expected.value?.hasNextPage, next !== undefined);
    if (next) must('headers.link goes on after', expected.value?.endCursor, next.searchParams.get('after'));
  }
  return found;
}

/** Where `Link` says that the next page is. <https://www.rfc-editor.org/rfc/rfc8288> */
export function nextPage({ http, target }) {
  const [, link] = /<([^>]*)>\s*;\s*rel="?next"?/.exec(http.headers.link ?? '') ?? [];
  return link === undefined ? undefined : new URL(link, target);
}

function pathOf(location, target) {
  return location === undefined ? undefined : new URL(location, target).pathname;
}
