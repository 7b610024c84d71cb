import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INDEXED_LENGTH_MIN } from '../../src/matcher/leadLog.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { Oracle } from '../support/oracle.ts';
import { normalized, SECOND_MICROS, type Subject, sequenceOf } from '../support/oracleBench.ts';
import {
  definitionOfDraft,
  EventWriter,
  eventDrafts,
  type ScriptShape,
  type SequenceDraft,
  sequenceDrafts,
} from '../support/oracleScripts.ts';
import { indexedFrom, restarted, WIDE_LIMITS } from '../support/oracleSubjects.ts';

const SHAPE: ScriptShape = {
  typesMax: 4,
  leadsMax: 1,
  sequencesMax: 8,
  stepsMax: 5,
  commandsMax: 0,
  changeWeight: 0,
  disorder: false,
};

const feedsOf = (shape: ScriptShape) =>
  fc.record({
    drafts: fc.uniqueArray(sequenceDrafts(shape), {
      minLength: 1,
      maxLength: 6,
      selector: (draft) => draft.slot,
    }),
    // A wide window keeps many events, which is what makes a log too long.
    windowFactor: fc.constantFrom(1, 4, 1000),
    events: fc.array(eventDrafts(shape), { minLength: 1, maxLength: 160, size: 'max' }),
    // Sequences that are switched off or on at these turns.
    switches: fc.array(fc.record({ turn: fc.nat(159), index: fc.nat(5) }), { maxLength: 6 }),
    restartEvery: fc.integer({ min: 10, max: 200 }),
  });

function definitionsOf(drafts: readonly SequenceDraft[], windowFactor: number): SequenceDefinition[] {
  return drafts.map((draft) =>
    definitionOfDraft({ ...draft, ou: 0, windowSeconds: draft.windowSeconds * windowFactor }, 0),
  );
}

function define(subject: Subject, definitions: readonly SequenceDefinition[]): void {
  for (const definition of definitions) subject.setSequence(definition);
}

describe('a bounded log', () => {
  it.each([
    { rules: 'R15', heldEventsMax: 1, rich: false },
    { rules: 'R15', heldEventsMax: 5, rich: false },
    { rules: 'R15', heldEventsMax: 16, rich: false },
    { rules: 'S7', heldEventsMax: 1, rich: true },
    { rules: 'S7', heldEventsMax: 5, rich: true },
    { rules: 'S7', heldEventsMax: 16, rich: true },
  ])(
    '$rules: with $heldEventsMax held events, events in order give the results of an endless log',
    ({ heldEventsMax, rich }) => {
      fc.assert(
        fc.property(
          feedsOf({ ...SHAPE, rich }),
          indexedFrom,
          ({ drafts, windowFactor, events, switches, restartEvery }, indexedLengthMin) => {
            let definitions = definitionsOf(drafts, windowFactor);
            const limits = { ...WIDE_LIMITS, heldEventsMax };
            const oracle = new Oracle(limits);
            let matcher = new Matcher(limits, { indexedLengthMin });
            define(oracle, definitions);
            define(matcher, definitions);
            const writer = new EventWriter();
            for (const [index, draft] of events.entries()) {
              for (const { turn, index: position } of switches) {
                const switched = definitions[position];
                if (turn !== index || switched === undefined) continue;
                const changed = {
                  ...switched,
                  active: !switched.active,
                  effectiveFrom: writer.streamSequence,
                };
                definitions = definitions.with(position, changed);
                for (const subject of [oracle, matcher]) define(subject, [changed]);
              }
              const event = writer.event({ ...draft, ou: 0 });
              expect(normalized(matcher.apply(event))).toEqual(oracle.apply(event));
              if (index % restartEvery === restartEvery - 1) {
                const fresh = new Matcher(limits, { indexedLengthMin });
                matcher = restarted(matcher, limits, (each) => define(each, definitions), fresh);
              }
            }
          },
        ),
        { numRuns: 400 },
      );
    },
  );

  it.each([1, INDEXED_LENGTH_MIN])(
    'R15: the state of a bot stays small however many events it sends (%d)',
    (from) => {
      const definitions = [
        sequenceOf('A,B,C,Z', { id: 'never', windowSeconds: 30_000_000 }),
        sequenceOf('A,A,B,Y', { id: 'unordered', windowSeconds: 30_000_000, ordered: false }),
        sequenceOf('B,A,B,A,C,X', { id: 'long', windowSeconds: 30_000_000 }),
        sequenceOf('C,C,C', { id: 'often', windowSeconds: 100 }),
      ];
      const heldEventsMax = 64;
      const matcher = new Matcher({ ...WIDE_LIMITS, heldEventsMax }, { indexedLengthMin: from });
      define(matcher, definitions);
      let fires = 0;
      let bytesMax = 0;
      for (let i = 1; i <= 200_000; i++) {
        const timeMicros = i * SECOND_MICROS;
        const type = 'ABC'[(i * 7 + (i >> 3)) % 3]!;
        const event = {
          ou: 'ou',
          leadId: 'bot',
          id: `bot-${i}`,
          type,
          timeMicros,
          arrivalMicros: timeMicros,
        };
        const outcome = matcher.apply({ ...event, streamSequence: i });
        fires += outcome.kind === 'held' ? outcome.completions.length : 0;
        if (i % 997 === 0) bytesMax = Math.max(bytesMax, matcher.encodeLead('ou', 'bot')!.length);
      }
      expect(fires).toBeGreaterThan(10_000);
      // Twice the limit between two reductions, at up to 100 bytes an event, is far below what was sent.
      expect(bytesMax).toBeLessThan(2 * heldEventsMax * 100);
      const timeMicros = 200_001 * SECOND_MICROS;
      const last = { ou: 'ou', leadId: 'bot', id: 'last', timeMicros, arrivalMicros: timeMicros };
      expect(matcher.apply({ ...last, type: 'Z', streamSequence: 200_001 })).toMatchObject({
        kind: 'held',
        completions: [{ sequenceId: 'never', completingEventId: 'last' }],
      });
    },
  );
});
