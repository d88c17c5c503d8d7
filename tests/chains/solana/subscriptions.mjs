// Websocket subscriptions: logs, slots and signatures. What a commitment does not show yet is told once it does.
import { invalidParams } from './json.mjs';

export class Subscriptions {
  #chain;
  #next = 1;
  #open = new Map();

  constructor(chain) {
    this.#chain = chain;
    chain.onSlot((slot) => {
      const told = { parent: slot - 1, root: chain.slot('finalized'), slot };
      this.#open.forEach((it) => it.kind === 'slot' && it.tell('slotNotification', told));
      this.#tellNews();
    });
  }

  /** The methods of one connection, which hears through `send`. */
  methods(send) {
    const open = (subscription) => {
      const id = this.#next++;
      const tell = (method, result) => send({ jsonrpc: '2.0', method, params: { result, subscription: id } });
      this.#open.set(id, { ...subscription, id, send, tell });
      // Not before the client knows the number.
      setImmediate(() => this.#tellNews());
      return id;
    };
    const close = (id) => {
      if (!this.#open.delete(id)) throw invalidParams('Invalid subscription id.');
      return true;
    };
    return {
      slotSubscribe: () => open({ kind: 'slot' }),
      logsSubscribe: (filter, config) => {
        if (!['all', 'allWithVotes'].includes(filter) && filter?.mentions?.length !== 1) {
          throw invalidParams('Invalid Request: Only 1 address supported');
        }
        const commitment = config?.commitment;
        const told = this.#chain.ledger.filter((it) => it.slot <= this.#chain.slot(commitment)).length;
        return open({ kind: 'logs', mentions: filter?.mentions?.[0], commitment, told });
      },
      signatureSubscribe: (signature, config) => open({ kind: 'signature', signature, commitment: config?.commitment }),
      slotUnsubscribe: close,
      logsUnsubscribe: close,
      signatureUnsubscribe: close,
    };
  }

  /** Forgets those of a connection that ended. */
  leave(send) {
    this.#open.forEach((it, id) => it.send === send && this.#open.delete(id));
  }

  #tellNews() {
    this.#open.forEach((it) => {
      if (it.kind === 'logs') this.#tellLogs(it);
      if (it.kind === 'signature') this.#tellSignature(it);
    });
  }

  #tellLogs(it) {
    const { ledger } = this.#chain;
    for (; it.told < ledger.length && ledger[it.told].slot <= this.#chain.slot(it.commitment); it.told += 1) {
      const { keys, signature, error, logs, slot } = ledger[it.told];
      if (!it.mentions || keys.includes(it.mentions)) {
        it.tell('logsNotification', { context: { slot }, value: { signature, err: error, logs } });
      }
    }
  }

  /** Told once; then the subscription is over. */
  #tellSignature(it) {
    const landed = this.#chain.find(it.signature, it.commitment);
    if (!landed || !this.#open.delete(it.id)) return;
    it.tell('signatureNotification', { context: { slot: landed.slot }, value: { err: landed.error } });
  }
}
