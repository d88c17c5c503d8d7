// Records what opossum's circuit breaker does, for a test that replays the same steps against ours.
//
// Random calls are made through opossum under a fake clock, and each step is written down with what was true after it.
// The same seed gives the same bytes; what the traces show is counted on stderr. To run, with Node 20 or later (opossum
// asks for more, but works):
//
//     npm ci --no-audit --no-fund && node generate.mjs
//
// `traces.jsonl`: the first line says how it was made, each other one is a trace, {"o": options, "s": steps}.
//
// Options are opossum's, with shorter names: `timeout`, `threshold` (errorThresholdPercentage), `reset` (resetTimeout),
// `window` and `buckets` (rollingCount...), `volume` (volumeThreshold) and, if they are not the default, `capacity`,
// `allowWarmUp: true`, `enabled: false`. Of our own, if true: `filterTimeouts`, the error filter lets time-outs and
// calls that found no room pass, as it always does "filtered"; `fallback`, there is one. Times are in milliseconds.
//
// A step is a string, "<dt> <op> <state><counts> <events> <result>". First `dt` milliseconds pass, then `op` happens:
//
//     f7  call 7 is fired, and stays under way if it is let through
//     s7  it succeeds                                 o  breaker.open()
//     e7  it fails with "failed"                      c  breaker.close()
//     x7  it fails with "filtered"                    n  nothing
//     t7  it has just timed out: `dt` ends at that instant
//
// The rest is what is true after it, as in "5 e2 O53 XO failed":
// - state: C closed, O open, H half-open;
// - counts in the rolling window, a digit of base 36 each: fires, failures, successes, rejects, timeouts, fallbacks,
//   semaphoreRejections; zeros at the end are left out, but not that of fires;
// - events since the last step, in the order in which they were emitted: F fire, S success, X failure, T timeout,
//   R reject, O open, C close, H halfOpen, B fallback, L semaphoreLocked. None: "-", or left out if no result follows;
// - result, left out if no call ended in this step: how it ended for its caller. ok, failed, filtered, timeout, open,
//   busy (no room), fallback.
//
// What happens when is never in doubt. Whatever is due by the time of a step is done before it: the window turned, the
// circuit half-open, the warm-up over. But of two timers of the same instant the fake clock, not opossum, says which is
// first. So no call times out at the instant of another, of a bucket's end or of the reset: it is ended 1 ms earlier.
// Nor is a circuit opened by hand while it warms up: opossum's, half-open, would then be stuck after a failure.

import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import FakeTimers from '@sinonjs/fake-timers';
import CircuitBreaker from 'opossum';
import { Random } from './random.mjs';
import { Summary } from './summary.mjs';

const SEED = 20_240_607;
const TRACES = 3_000;
// So that each count is one digit.
const MOST_FIRES = 35;
const HOUR = 3_600_000;

const COUNTS = ['fires', 'failures', 'successes', 'rejects', 'timeouts', 'fallbacks', 'semaphoreRejections'];
const EVENTS = {
  fire: 'F', success: 'S', failure: 'X', timeout: 'T', reject: 'R', open: 'O', close: 'C', halfOpen: 'H', fallback: 'B',
  semaphoreLocked: 'L',
};
const OWN_ERRORS = { EOPENBREAKER: 'open', ETIMEDOUT: 'timeout', ESEMLOCKED: 'busy' };
const OUTCOMES = { s: 'ok', e: 'failed', x: 'filtered' };

function drawOptions(random) {
  const options = {
    timeout: random.of([50, 99, 101, 250, 333, 999, 1001, 2100, 2999, 3000]),
    threshold: random.of([0, 1, 30, 30, 33, 50, 50, 50, 66, 75, 75, 99, 100]),
    reset: random.of([100, 100, 101, 300, 500, 999, 1000, 2000, 5000]),
    window: random.of([100, 1000, 1000, 2000, 10_000, 10_000]),
    buckets: random.of([1, 2, 5, 10]),
    volume: random.of([0, 0, 1, 2, 3, 4, 5, 6]),
  };
  if (random.chance(0.3)) options.capacity = random.of([1, 1, 2, 3]);
  if (random.chance(0.1)) options.allowWarmUp = true;
  if (random.chance(0.04)) options.enabled = false;
  if (random.chance(0.3)) options.filterTimeouts = true;
  if (random.chance(0.3)) options.fallback = true;
  return options;
}

/** One breaker, the calls that are under way through it, and the steps so far. */
class Run {
  steps = [];
  /** id -> { deadline, settle, changes } */
  pending = new Map();
  ids = 0;
  /** Of state. */
  changes = 0;
  resetAt;
  halfOpenAt;
  /** Since the last step. */
  events = '';
  ended = [];
  steppedAt = 0;

  constructor(options, clock) {
    this.options = options;
    this.clock = clock;
    this.bucket = options.window / options.buckets;
    this.breaker = new CircuitBreaker((call) => call, {
      name: 'recorded',
      timeout: options.timeout,
      errorThresholdPercentage: options.threshold,
      resetTimeout: options.reset,
      rollingCountTimeout: options.window,
      rollingCountBuckets: options.buckets,
      volumeThreshold: options.volume,
      capacity: options.capacity,
      allowWarmUp: options.allowWarmUp,
      enabled: options.enabled,
      errorFilter: (error) => error.message === 'filtered' || (options.filterTimeouts && error.code in OWN_ERRORS),
      enableSnapshots: false,
    });
    if (options.fallback) this.breaker.fallback(() => 'fallback');
    // Before opossum's own listeners, since these emit more: a close would be heard before the success that it follows.
    for (const [event, letter] of Object.entries(EVENTS)) {
      this.breaker.prependListener(event, () => (this.events += letter));
    }
    for (const event of ['open', 'halfOpen', 'close']) {
      this.breaker.on(event, () => {
        this.changes += 1;
        this.resetAt = event === 'open' ? this.now + options.reset : undefined;
        if (event === 'halfOpen') this.halfOpenAt = this.now;
      });
    }
  }

  get now() {
    return this.clock.now;
  }
  get state() {
    return this.breaker.closed ? 'C' : this.breaker.opened ? 'O' : 'H';
  }
  /** The call that times out next, if any does. */
  get next() {
    const calls = [...this.pending].map(([id, { deadline }]) => ({ id, deadline }));
    return calls.reduce((first, call) => (call.deadline < first.deadline ? call : first), { deadline: Infinity });
  }
  /** Whether something else is due at the instant `deadline` of one call. */
  isContested(deadline) {
    const calls = [...this.pending.values()].filter((call) => call.deadline === deadline);
    return calls.length > 1 || deadline === this.resetAt || deadline % this.bucket === 0;
  }

  async moveTo(time) {
    this.clock.tick(time - this.now);
    await quiet();
  }

  /** Does `op` and notes it: now, or for a time-out, when that comes. */
  async step(op, id) {
    const call = this.pending.get(id);
    const before = { state: this.state, isLate: call !== undefined && call.changes !== this.changes };
    if (op === 'f') this.fire(id);
    else if (op === 't') await this.moveTo(call.deadline);
    else if (op === 'o') this.breaker.open();
    else if (op === 'c') this.breaker.close();
    else if (op in OUTCOMES) call.settle(OUTCOMES[op]);
    await quiet();
    if (this.ended.some((end) => end.id !== id)) throw new Error(`another call ended in step ${op}${id}`);
    if (call && this.ended.length !== 1) throw new Error(`${op}${id} did not end`);

    const stats = this.breaker.stats;
    const after = { state: this.state, stats, events: this.events, result: this.ended[0]?.result };
    this.steps.push(`${this.now - this.steppedAt} ${op}${id ?? ''} ${written(after)}`);
    if (after.result) this.pending.delete(id);
    Object.assign(this, { steppedAt: this.now, events: '', ended: [] });
    return { op, before, after };
  }

  fire(id) {
    let settle;
    const call = new Promise((resolve, reject) => {
      settle = (outcome) => (outcome === 'ok' ? resolve(outcome) : reject(new Error(outcome)));
    });
    const deadline = this.breaker.enabled ? this.now + this.options.timeout : Infinity;
    this.pending.set(id, { deadline, settle, changes: this.changes });
    const end = (result) => this.ended.push({ id, result });
    this.breaker.fire(call).then(end, (error) => end(OWN_ERRORS[error.code] ?? error.message));
  }
}

/** Until no promise has anything left to do: opossum chains a few at most. */
async function quiet() {
  for (let turn = 0; turn < 16; turn += 1) await Promise.resolve();
}

function written({ state, stats, events, result }) {
  const counts = COUNTS.map((count) => stats[count].toString(36)).join('');
  const end = result ? ` ${events || '-'} ${result}` : events && ` ${events}`;
  return `${state}${counts[0]}${counts.slice(1).replace(/0+$/, '')}${end}`;
}

/** One trace. `seen` is shown each step, and the run after it. */
async function record(random, seen) {
  const options = drawOptions(random);
  const habits = {
    // Mostly few.
    length: 15 + Math.floor(26 * random.share() ** 5),
    failing: random.of([0.2, 0.5, 0.8]),
    crowd: random.integer(1, 6),
    steers: random.chance(0.6),
    hoards: random.chance(0.5),
  };
  const toFake = ['Date', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'];
  const clock = FakeTimers.install({ now: 0, toFake });
  try {
    const run = new Run(options, clock);
    let target;
    while (run.steps.length < habits.length && run.ids < MOST_FIRES) {
      target ??= aim(run, random);
      const { id, deadline } = run.next;
      if (deadline > target) {
        await run.moveTo(target);
        target = undefined;
        seen(await run.step(...choose(run, random, habits)), run);
      } else {
        await run.moveTo(deadline - 1);
        seen(await run.step(run.isContested(deadline) ? ending(random, habits) : 't', id), run);
      }
    }
    return { o: options, s: run.steps };
  } finally {
    clock.uninstall();
  }
}

/** When to do something: often soon, and often where something is due, or 1 ms off. */
function aim(run, random) {
  const bucketEnd = run.now - (run.now % run.bucket) + run.bucket;
  const aims = {
    now: () => run.now,
    soon: () => run.now + random.integer(1, 9),
    bucket: () => bucketEnd + random.of([-1, 0, 0, 1]),
    window: () => bucketEnd + run.options.window + random.of([-run.bucket - 1, -run.bucket, -run.bucket, -1, 0, 1]),
    later: () => run.now + random.integer(1, run.options.window),
    timeout: () => (run.pending.size && run.breaker.enabled ? run.next.deadline : run.now),
    reset: () => (run.resetAt ?? run.now) + random.of([-1, -1, 0, 0, 0, 1]),
    freeze: () => run.now + HOUR + random.integer(0, 999),
  };
  const open = run.state === 'O' ? 90 : 0;
  const kind = { now: 40, soon: 35, bucket: 6, window: 2, later: 3, timeout: 7, reset: open, freeze: 1 };
  return Math.max(run.now, aims[random.weighted(kind)]());
}

/** What to do, and to which call. */
function choose(run, random, habits) {
  const isWarmingUp = run.options.allowWarmUp && run.now < run.options.window;
  const rare = random.weighted({ n: 2, c: 1.5, o: isWarmingUp ? 0 : 1.5, '': 95 });
  if (rare) return [rare];

  const fire = () => ['f', (run.ids += 1)];
  const end = (op) => [op ?? ending(random, habits), random.of([...run.pending.keys()])];
  if (run.pending.size === 0) return fire();
  // So that calls of before are still under way when it is half-open.
  if (run.state === 'O' && habits.hoards) return fire();
  if (run.state === 'C' && habits.steers) return steer(run, random, habits, fire, end);
  return run.pending.size < habits.crowd && random.chance(0.55) ? fire() : end();
}

function ending(random, { failing }) {
  return random.chance(failing) ? 'e' : random.of(['s', 's', 's', 'x']);
}

/** To a failure rate that is the threshold, and from there, at times, beyond. */
function steer(run, random, habits, fire, end) {
  const { fires, failures } = run.breaker.stats;
  const { threshold, volume } = run.options;
  const beyond = (failures + 1) * 100 - threshold * fires;
  if (beyond === 0 && fires >= volume) return end('e');
  if (beyond <= 0) return random.chance(0.6) && fires >= volume ? end('e') : fire();
  if (random.chance(0.25)) return end('e');
  return run.pending.size < habits.crowd ? fire() : end(random.of(['s', 's', 's', 'x']));
}

const random = new Random(SEED);
const summary = new Summary();
const lines = [];
for (let number = 1; number <= TRACES; number += 1) lines.push(await record(random, summary.of(number)));

const { version } = createRequire(import.meta.url)('opossum/package.json');
const header = { opossum: version, seed: SEED, traces: TRACES, node: process.version };
const text = [header, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
await writeFile(new URL('traces.jsonl', import.meta.url), text);
console.error(`${text.length} bytes, ${lines.reduce((sum, { s }) => sum + s.length, 0)} steps\n${summary}`);
