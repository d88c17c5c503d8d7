// JSON as Agave writes it: 64-bit integers are numbers, however large.

/** An error that the client is told. */
export class RpcError extends Error {
  constructor(code, message, data) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export const invalidParams = (message) => new RpcError(-32602, message);

export function toJson(value) {
  const marked = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `\u0001${item}` : item));
  return marked.replace(/"\\u0001(-?\d+)"/g, '$1');
}
