import { describe, expect, it } from 'vitest';
import { type Fired, FireHash } from '../../../bench/matcher/fireHash.ts';

function fired(leadId: string, ...sequenceIds: string[]): Fired {
  return { leadId, matches: sequenceIds.map((sequenceId) => ({ sequenceId, events: [{ id: 'evt-1' }] })) };
}

function hashOf(...blocks: Fired[][]): { fires: number; digest: string; pairs: string } {
  const hash = new FireHash(true);
  for (const block of blocks) hash.add(block);
  return { fires: hash.fires, digest: hash.digest(), pairs: hash.pairsDigest() };
}

describe('the hash of the fires', () => {
  const [first, second, third] = [fired('x', 'a', 'b'), fired('y', 'a'), fired('x', 'a')];

  it('does not depend on how the events were divided into blocks', () => {
    expect(hashOf([first, second], [], [third])).toEqual(hashOf([first], [second, third]));
    expect(hashOf([first, second, third]).fires).toBe(4);
  });

  it('tells other fires, other events and another order', () => {
    const digest = hashOf([first, second]).digest;
    const others = [
      hashOf([first]),
      hashOf([second, first]),
      hashOf([first, fired('y', 'b')]),
      hashOf([first, { leadId: 'y', matches: [{ sequenceId: 'a', events: [{ id: 'evt-2' }] }] }]),
    ];
    for (const other of others) expect(other.digest).not.toBe(digest);
  });

  it('knows who fired at all, in whatever order and however often', () => {
    expect(hashOf([second, first, third]).pairs).toBe(hashOf([first, second]).pairs);
    expect(hashOf([first]).pairs).not.toBe(hashOf([first, second]).pairs);
  });
});
