// What the recorded traces show, and how many do: nearly all should be hundreds.

/** How many traces show what must be shown. */
export class Summary {
  traces = new Map();

  /** What to call for each step of trace `number`. */
  of(number) {
    return (step, run) => {
      for (const [what, isSeen] of Object.entries(shown(step, run))) {
        if (!this.traces.has(what)) this.traces.set(what, new Map());
        const times = this.traces.get(what);
        if (isSeen) times.set(number, 1 + (times.get(number) ?? 0));
      }
    };
  }

  toString() {
    const sum = (times) => [...times.values()].reduce((a, b) => a + b, 0);
    return [...this.traces].map(([what, times]) => `${what}: ${times.size} traces, ${sum(times)} times`).join('\n');
  }
}

function shown({ op, before, after }, run) {
  const { stats, events } = after;
  const { threshold, volume } = run.options;
  const isWarmingUp = run.breaker.warmUp;
  const fails = events.includes('X') && before.state === 'C' && run.breaker.enabled;
  const decides = fails && !isWarmingUp;
  const rate = stats.failures * 100 - threshold * stats.fires;
  const opens = decides && after.state === 'O';
  const wasHalfOpen = before.state === 'H';
  const late = wasHalfOpen && before.isLate;
  return {
    'open': events.includes('O'),
    'half-open': events.includes('H'),
    'open again after half-open': wasHalfOpen && events.includes('O') && op !== 'o',
    'closed after half-open': wasHalfOpen && events.includes('C') && op !== 'c',
    'opened by hand': op === 'o' && events.includes('O'),
    'closed by hand': op === 'c' && events.includes('C'),
    'rejected': events.includes('R'),
    'rejected while half-open': wasHalfOpen && events.includes('R'),
    'rejected 1 ms before the reset': events.includes('R') && run.resetAt === run.now + 1,
    'let through at the instant of the reset': op === 'f' && run.halfOpenAt === run.now && !events.includes('R'),
    'no room': events.includes('L'),
    'no room while half-open': wasHalfOpen && events.includes('L'),
    'timed out': events.includes('T'),
    'fallback': events.includes('B'),
    'failed at exactly the threshold, stays closed': decides && !opens && rate === 0 && stats.fires >= volume,
    'failed beyond the threshold, opens': opens && rate > 0,
    'opens at exactly the volume': opens && volume > 0 && stats.fires === volume,
    'stays closed one short of the volume': decides && !opens && rate > 0 && stats.fires === volume - 1,
    'beyond the threshold while warming up': fails && isWarmingUp && rate > 0 && stats.fires >= volume,
    'ended at the instant a bucket ends': 'sex'.includes(op) && run.now > 0 && run.now % run.bucket === 0,
    'late outcome while open': before.state === 'O' && before.isLate,
    'late success while half-open closes': late && after.state === 'C',
    'late failure while half-open opens': late && after.state === 'O',
  };
}
