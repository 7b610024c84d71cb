import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LeadTable } from '../../../src/matcher/leadTable.ts';
import { Text } from '../../../src/matcher/text.ts';

interface HeldEvent {
  readonly time: number;
  readonly streamSequence: number;
  readonly type: number;
  readonly id: string;
}

/** So that scripts of a few hundred steps reach it. */
const INDEXED_FROM = 48;
const TYPES = 5;
/** By type, how long it is held; the last is not. */
const HOLDS = [300, 300, 60, 500, -1];

/** What a log must do, as plainly as possible. */
class PlainLog {
  events: HeldEvent[] = [];

  insert(event: HeldEvent): void {
    this.events.push(event);
    this.events.sort((a, b) => a.time - b.time || a.streamSequence - b.streamSequence);
  }

  dropExpired(newest: number, lateness: number): void {
    this.events = this.events.filter(
      ({ time, type }) => HOLDS[type]! >= 0 && newest <= time + HOLDS[type]! + lateness,
    );
  }
}

type Step =
  | { readonly kind: 'insert'; readonly delay: number; readonly type: number; readonly id: number }
  | { readonly kind: 'expire'; readonly by: number }
  | { readonly kind: 'retain'; readonly every: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 30,
      arbitrary: fc.record({
        kind: fc.constant('insert' as const),
        delay: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat(12)),
        type: fc.nat(TYPES - 1),
        id: fc.nat(400),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('expire' as const), by: fc.nat(20) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('retain' as const), every: fc.integer({ min: 1, max: 4 }) }),
    },
  ),
  { minLength: 1, maxLength: 400, size: 'max' },
);

describe('the log of a lead', () => {
  it('holds, drops and finds what a sorted list would, short and long, with another log beside it', () => {
    let longest = 0;
    let vacancies = 0;
    fc.assert(
      fc.property(steps, (script: Step[]) => {
        const table = new LeadTable(INDEXED_FROM);
        const text = new Text(3);
        const address = table.add(0, text.set('lead'), 64).address;
        const other = table.add(0, text.set('other'), 64).address;
        const plain = new PlainLog();
        let clock = 1_000;
        let streamSequence = 0;
        for (const step of script) {
          const { log } = table.open(address)!;
          switch (step.kind) {
            case 'insert': {
              const event = {
                time: clock - step.delay,
                streamSequence: ++streamSequence,
                type: step.type,
                id: `event-${step.id}-${'x'.repeat(step.id % 50)}`,
              };
              const isHeld = plain.events.some(({ id }) => id === event.id);
              expect(log.hasId(text.set(event.id))).toBe(isHeld);
              clock += 1;
              if (isHeld) break;
              log.insert(event.time, event.streamSequence, event.type, text);
              plain.insert(event);
              table.open(other)!.log.append(event.time, event.streamSequence, 0, text.set('same'));
              break;
            }
            case 'expire': {
              clock += step.by;
              const until = log.dropExpired(clock, HOLDS, 5);
              plain.dropExpired(clock, 5);
              const earliest = Math.min(...plain.events.map(({ time, type }) => time + HOLDS[type]! + 5));
              expect(until).toBe(earliest);
              break;
            }
            case 'retain': {
              const held = [...Array(log.length).keys()].filter((position) => log.isHeld(position));
              const kept = held.filter((_, index) => index % step.every === 0);
              log.retain(new Set(kept));
              plain.events = plain.events.filter((_, index) => index % step.every === 0);
            }
          }
          table.open(other);
          const again = table.open(address)!.log;
          longest = Math.max(longest, again.length);
          vacancies += again.length - again.heldCount;
          expectSame(again, plain.events);
        }
      }),
      { numRuns: 150 },
    );
    expect(longest).toBeGreaterThan(100);
    expect(vacancies).toBeGreaterThan(100);
  });
});

describe('the index of a long log', () => {
  it('still finds an id when another with the same hash was dropped', () => {
    const table = new LeadTable(INDEXED_FROM);
    const { log } = table.add(0, new Text(0).set('lead'), 64);
    const one = new Text(0).set('one');
    const two = new Text(0).set('two');
    two.hash = one.hash;
    log.append(0, 1, 0, one);
    for (let n = 1; n < 100; n++) log.append(n, n + 1, 0, n === 50 ? two : new Text(0).set(`event ${n}`));
    expect([log.hasId(one), log.hasId(two)]).toEqual([true, true]);
    log.dropExpired(10, [5], 0);
    expect([log.hasId(one), log.hasId(two)]).toEqual([false, true]);
  });
});

type Log = NonNullable<ReturnType<LeadTable['open']>>['log'];

function expectSame(log: Log, events: readonly HeldEvent[]): void {
  const positions = [...Array(log.length).keys()].filter((position) => log.isHeld(position));
  const found = positions.map((position) => ({
    time: log.timeAt(position),
    streamSequence: log.streamSequenceAt(position),
    type: log.typeAt(position),
    id: log.idAt(position),
  }));
  expect(found).toEqual(events);
  expect(log.heldCount).toBe(events.length);
  const middle = positions[positions.length >> 1] ?? 0;
  const ofType = (type: number) => positions.filter((position) => log.typeAt(position) === type);
  for (let type = 0; type < TYPES; type++) {
    const before = ofType(type).filter((position) => position < middle);
    expect(log.latestBefore(type, middle)).toBe(before.at(-1) ?? -1);
    expect(log.nthLatestBefore(type, middle, 3)).toBe(before.at(-3) ?? -1);
    expect(log.earliestAfter(type, middle)).toBe(ofType(type).find((position) => position > middle) ?? -1);
  }
}
