import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashOf, LeadTable } from '../../../src/matcher/leadTable.ts';
import { Text } from '../../../src/matcher/text.ts';

const HELD_EVENTS_MAX = 64;

function keysIn(table: LeadTable): string[] {
  return [...table.addresses()].map((address) => {
    const lead = table.open(address)!;
    return `${lead.tenant}/${lead.id}`;
  });
}

describe('the table of leads', () => {
  it('finds exactly the leads that were added and not removed, as a map would', () => {
    const steps = fc.array(
      fc.record({
        tenant: fc.nat(2),
        id: fc.oneof(fc.nat(300).map(String), fc.string({ unit: 'grapheme', maxLength: 40 })),
        removes: fc.boolean(),
      }),
      { minLength: 1, maxLength: 600, size: 'max' },
    );
    fc.assert(
      fc.property(steps, fc.nat(), (script, seed) => {
        const table = new LeadTable();
        const text = new Text(seed);
        const expected = new Map<string, number>();
        for (const [index, { tenant, id, removes }] of script.entries()) {
          const key = `${tenant}/${id}`;
          const found = table.find(tenant, text.set(id));
          expect(found?.newestMicros).toBe(expected.get(key));
          if (found === undefined) {
            table.add(tenant, text.set(id), HELD_EVENTS_MAX).newestMicros = index;
            expected.set(key, index);
          } else if (removes) {
            table.remove(found, text);
            expected.delete(key);
          }
        }
        expect(table.size).toBe(expected.size);
        expect(keysIn(table).sort()).toEqual([...expected.keys()].sort());
      }),
      { numRuns: 150 },
    );
  });

  it('tells a removed lead from the one that took its place', () => {
    const table = new LeadTable();
    const text = new Text(0);
    const address = table.add(1, text.set('old'), HELD_EVENTS_MAX).address;
    table.remove(table.open(address)!, text.set('old'));
    expect(table.open(address)).toBeUndefined();
    const lead = table.add(1, text.set('new'), HELD_EVENTS_MAX);
    expect(lead.address).toBe(address);
    expect([table.open(address)?.id, table.find(1, text.set('old'))]).toEqual(['new', undefined]);
  });

  it('visits every lead that stays while others are removed on the way', () => {
    const table = new LeadTable();
    const text = new Text(7);
    for (let n = 0; n < 5_000; n++) table.add(0, text.set(`lead-${n}`), HELD_EVENTS_MAX);
    const visited = new Set<string>();
    for (const address of table.addresses()) {
      const lead = table.open(address)!;
      visited.add(lead.id);
      if (Number(lead.id.slice(5)) % 3 === 0) table.remove(lead, text.set(lead.id));
    }
    expect(visited.size).toBe(5_000);
    expect(table.size).toBe(5_000 - Math.ceil(5_000 / 3));
    expect(keysIn(table).every((key) => Number(key.slice('0/lead-'.length)) % 3 !== 0)).toBe(true);
  });

  it('keeps apart leads whose ids were made to have the same hash', () => {
    // By chance two ids share a hash once in 2^32, so here it is forced.
    const table = new LeadTable();
    const one = new Text(0).set('one');
    const two = new Text(0).set('two');
    two.hash = one.hash;
    table.add(0, one, HELD_EVENTS_MAX).newestMicros = 1;
    table.add(0, two, HELD_EVENTS_MAX).newestMicros = 2;
    expect([table.find(0, one)?.newestMicros, table.find(0, two)?.newestMicros]).toEqual([1, 2]);
    table.remove(table.find(0, one)!, one);
    expect([table.find(0, one), table.find(0, two)?.newestMicros]).toEqual([undefined, 2]);
  });

  it('keeps apart equal ids of two tenants whose hashes were made equal', () => {
    const table = new LeadTable();
    const one = new Text(0).set('lead');
    const two = new Text(0).set('lead');
    two.hash = one.hash ^ Math.imul(2, 0x9e3779b1) ^ Math.imul(3, 0x9e3779b1);
    expect(hashOf(1, one)).toBe(hashOf(2, two));
    table.add(1, one, HELD_EVENTS_MAX).newestMicros = 1;
    expect(table.find(2, two)).toBeUndefined();
    table.add(2, two, HELD_EVENTS_MAX).newestMicros = 2;
    expect([table.find(1, one)?.newestMicros, table.find(2, two)?.newestMicros]).toEqual([1, 2]);
  });

  it('keeps apart ids that differ in trailing zero bytes only', () => {
    const table = new LeadTable();
    const short = new Text(0).set('abc');
    const long = new Text(0).set('abc\0');
    long.hash = short.hash;
    const { log } = table.add(0, short, HELD_EVENTS_MAX);
    expect(table.find(0, long)).toBeUndefined();
    log.append(1, 1, 0, short);
    expect([log.hasId(short), log.hasId(long)]).toEqual([true, false]);
  });

  it('gives back all that a removed lead held', () => {
    const table = new LeadTable();
    const text = new Text(0);
    const event = new Text(0);
    const mark = { horizonMicros: 1, horizonStreamSequence: 1, lastFireMicros: 1, outlivesSilence: true };
    const fill = (): void => {
      const lead = table.add(0, text.set('lead'), HELD_EVENTS_MAX);
      for (let n = 0; n < 300; n++) lead.log.append(n, n, 0, event.set(`event ${n}`));
      for (let key = 0; key < 300; key++) lead.marks.put(key, mark);
      table.remove(table.find(0, text)!, text);
    };
    fill();
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 500; round++) fill();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });

  it('reads ahead for any hashes, also of leads that are not there', () => {
    const table = new LeadTable();
    const text = new Text(0);
    const lead = table.add(0, text.set('a'), HELD_EVENTS_MAX);
    for (let n = 0; n < 40; n++) lead.log.append(n, n, 0, new Text(0).set(String(n)));
    expect(() => table.prefetch(Int32Array.of(text.hash, 12_345, 0), 3)).not.toThrow();
  });
});
