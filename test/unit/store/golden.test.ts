import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import { milestoneDefinitionOf } from '../../../src/model/milestone.ts';
import { definitionOf } from '../../../src/model/sequence.ts';
import { packRow, unpackRow } from '../../../src/store/environment.ts';
import { aMilestone, aSequence } from '../../support/outbox.ts';

/**
 * Bytes as version 1 wrote them, beside what they say. They stay as they are when a format changes: a new
 * version gets a file of its own, and this program goes on reading both.
 */
interface Golden {
  readonly rows: Readonly<Record<string, { readonly decoded: unknown; readonly hex: string }>>;
  readonly lead: {
    /** A lead that got these, under an ordered sequence `seq-1` of the types a, b within an hour. */
    readonly events: readonly LeadEvent[];
    readonly hex: string;
  };
}

const golden = JSON.parse(
  readFileSync(new URL('../../golden/store-v1.json', import.meta.url), 'utf8'),
) as Golden;

function aMatcher(): Matcher {
  const limits = { allowedLatenessMicros: 3_600e6, futureSkewMicros: 300e6, heldEventsMax: 100 };
  const matcher = new Matcher(limits);
  const sequence = aSequence({
    ou: 'ou',
    id: 'seq-1',
    eventTypes: ['a', 'b'],
    refire: { mode: 'once_per_lead' },
  });
  matcher.setSequence(definitionOf(sequence));
  return matcher;
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('version 1 on disk', () => {
  it.each(Object.entries(golden.rows))(
    'of a %s is read as it was meant, and written alike',
    (_table, row) => {
      expect(unpackRow(Buffer.from(row.hex, 'hex'), [1])).toEqual(row.decoded);
      expect(hexOf(packRow(1, row.decoded))).toBe(row.hex);
    },
  );

  it('of a lead state is read to the same state, and written alike', () => {
    const grown = aMatcher();
    for (const event of golden.lead.events) grown.apply(event);
    expect(hexOf(grown.encodeLead('ou', 'ada')!)).toBe(golden.lead.hex);
    const loaded = aMatcher();
    loaded.loadLead('ou', 'ada', Buffer.from(golden.lead.hex, 'hex'));
    expect(loaded.heldEventCount).toBe(grown.heldEventCount);
    expect(loaded.heldEventCount).toBeGreaterThan(2);
    expect(hexOf(loaded.encodeLead('ou', 'ada')!)).toBe(golden.lead.hex);
    // What it remembers counts: the sequence has fired, and does not fire again.
    const again = { ...golden.lead.events.at(-1)!, id: 'e9', type: 'b', streamSequence: 9 };
    const outcome = loaded.apply(again);
    expect(outcome.kind === 'held' && outcome.completions.map(({ suppressed }) => suppressed)).toEqual([
      'once_per_lead',
    ]);
  });
});

/** As the first version with milestone triggers wrote them. */
interface MilestoneGolden {
  readonly rows: Readonly<
    Record<string, { readonly version: number; readonly decoded: unknown; readonly hex: string }>
  >;
  /** A lead under the sequence above, and a milestone trigger `trg-1` at 100 with a cooldown of two hours. */
  readonly lead: { readonly events: readonly LeadEvent[]; readonly hex: string };
}

const milestones = JSON.parse(
  readFileSync(new URL('../../golden/milestones-v1.json', import.meta.url), 'utf8'),
) as MilestoneGolden;

describe('milestone triggers on disk', () => {
  it.each(Object.entries(milestones.rows))(
    'in a row of %s are read as they were meant, and written alike',
    (_table, { version, decoded, hex }) => {
      expect(unpackRow(Buffer.from(hex, 'hex'), [version])).toEqual(decoded);
      expect(hexOf(packRow(version, decoded))).toBe(hex);
    },
  );

  it('and the scores of a lead are read to the same state, and written alike', () => {
    const withTrigger = () => {
      const matcher = aMatcher();
      const refire = { mode: 'cooldown', cooldownSeconds: 7_200 } as const;
      matcher.setMilestone(milestoneDefinitionOf(aMilestone({ ou: 'ou', refire })));
      return matcher;
    };
    const grown = withTrigger();
    for (const event of milestones.lead.events) grown.apply(event);
    expect(hexOf(grown.encodeLead('ou', 'ada')!)).toBe(milestones.lead.hex);
    const loaded = withTrigger();
    loaded.loadLead('ou', 'ada', Buffer.from(milestones.lead.hex, 'hex'));
    expect(hexOf(loaded.encodeLead('ou', 'ada')!)).toBe(milestones.lead.hex);
    // The score is that of the newest event, and the last crossing that fired was less than two hours before.
    const last = milestones.lead.events.at(-1)!;
    const again = { ...last, id: 'e9', timeMicros: last.timeMicros + 1, streamSequence: 9, score: 100 };
    expect(loaded.insight.scoreStanding('ou', 'ada', 'trg-1')?.score).toBe(7.5);
    expect(loaded.apply(again)).toMatchObject({ kind: 'held', crossings: [{ suppressed: 'cooldown' }] });
  });
});
