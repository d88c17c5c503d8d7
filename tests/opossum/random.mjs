/** Mulberry32, and what is drawn with it: the same for the same seed. */
export class Random {
  constructor(seed) {
    this.state = seed;
  }
  /** From 0 to below 1. */
  share() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  chance(probability) {
    return this.share() < probability;
  }
  /** From `least` to `most`, both included. */
  integer(least, most) {
    return least + Math.floor(this.share() * (most - least + 1));
  }
  of(items) {
    return items[this.integer(0, items.length - 1)];
  }
  /** A key of `weights`, as often as its weight says. */
  weighted(weights) {
    let left = this.share() * Object.values(weights).reduce((sum, weight) => sum + weight);
    return Object.keys(weights).find((key) => (left -= weights[key]) < 0);
  }
}
