import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ClassLookup } from '../../../src/matcher/classLookup.ts';
import type { LeadLog } from '../../../src/matcher/leadLog.ts';
import { LeadTable } from '../../../src/matcher/leadTable.ts';
import { Text } from '../../../src/matcher/text.ts';

const CLASS = 0;

/** One class of some types. */
class OneClass extends ClassLookup {
  override readonly isPlain = false;
  private readonly members: ReadonlySet<number>;

  constructor(members: Iterable<number>) {
    super();
    this.members = new Set(members);
  }

  override membersOf(): ReadonlySet<number> {
    return this.members;
  }
}

/** A log of events of these types in their order, of which those of one type have been dropped. */
function logOf(types: readonly number[], dropped = -1): LeadLog {
  const text = new Text(0);
  const { log } = new LeadTable(48).add(0, text.set('lead'), 10_000);
  for (const [at, type] of types.entries()) log.append(at, at + 1, type, text.set(`e${at}`));
  const holdMicrosByType = Array.from({ length: Math.max(...types) + 1 }, (_, type) =>
    type === dropped ? -1 : 1_000_000,
  );
  log.dropExpired(types.length, holdMicrosByType, 0);
  return log;
}

describe('a look-up of the events of a class', () => {
  it('finds what a walk over the whole log would, in long and short logs, for few types and many', () => {
    let indexed = 0;
    const scripts = fc.record({
      // Few of the types come often, so that some events of a class lie far away.
      types: fc.array(fc.oneof({ weight: 6, arbitrary: fc.nat(3) }, fc.nat(60)), {
        minLength: 1,
        maxLength: 160,
        size: 'max',
      }),
      members: fc.uniqueArray(fc.nat(80), { maxLength: 60, size: 'max' }),
      dropped: fc.integer({ min: -1, max: 3 }),
    });
    fc.assert(
      fc.property(scripts, ({ types, members, dropped }) => {
        const log = logOf(types, dropped);
        if (log.isIndexed) indexed++;
        const classes = new OneClass(members);
        const positions = Array.from({ length: log.length }, (_, at) => at).filter(
          (at) => log.isHeld(at) && members.includes(log.typeAt(at)),
        );
        for (let position = -1; position <= log.length; position++) {
          const before = positions.filter((at) => at < position);
          const after = positions.find((at) => at > position) ?? -1;
          expect(classes.latestBefore(log, CLASS, position)).toBe(before.at(-1) ?? -1);
          expect(classes.nthLatestBefore(log, CLASS, position, 3)).toBe(before.at(-3) ?? -1);
          expect(classes.earliestAfter(log, CLASS, position)).toBe(after);
        }
      }),
      { numRuns: 300 },
    );
    expect(indexed).toBeGreaterThan(50);
  });

  it('looks up no types, however many a class has, where one of its events is near', () => {
    const types = Array.from({ length: 1_000 }, (_, at) => at);
    const log = logOf(types);
    const lookUps = [vi.spyOn(log, 'latestBefore'), vi.spyOn(log, 'earliestAfter')];
    const classes = new OneClass(types.filter((type) => type % 2 === 0));
    expect(classes.latestBefore(log, CLASS, 1_000)).toBe(998);
    expect(classes.earliestAfter(log, CLASS, 0)).toBe(2);
    for (const lookUp of lookUps) expect(lookUp).not.toHaveBeenCalled();
  });

  it('looks up no more types than the log has, and none that is of another class', () => {
    const log = logOf([7, ...Array.from({ length: 100 }, () => 8), 9]);
    const lookUps = [vi.spyOn(log, 'latestBefore'), vi.spyOn(log, 'earliestAfter')];
    const many = Array.from({ length: 1_000 }, (_, at) => 10 + at);
    expect(new OneClass([7, ...many]).latestBefore(log, CLASS, 101)).toBe(0);
    expect(new OneClass([9, ...many]).earliestAfter(log, CLASS, 0)).toBe(101);
    for (const lookUp of lookUps) expect(lookUp).toHaveBeenCalledTimes(1);
  });
});
