import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { normalized, SECOND_MICROS } from '../support/oracleBench.ts';
import { matcherPlay, play } from '../support/oracleDuel.ts';
import { definitionOfDraft, type ScriptShape, scripts, sequenceDrafts } from '../support/oracleScripts.ts';
import { judgedBy, stepsOf, type WrittenStep } from '../support/oracleSteps.ts';

const SHAPE: ScriptShape = {
  typesMax: 3,
  leadsMax: 3,
  sequencesMax: 6,
  stepsMax: 4,
  commandsMax: 60,
  changeWeight: 10,
  disorder: true,
  rich: true,
};

const LATENESS_SECONDS = 15;

/** What a lead did, in the order of time, and by how much the message of each instant is delayed. */
const journals = fc.record({
  drafts: fc.array(sequenceDrafts(SHAPE), { minLength: 1, maxLength: 6 }),
  steps: fc.array(
    fc.record({
      lead: fc.nat(2),
      type: fc.nat(3),
      step: fc.nat(2),
      n: fc.option(fc.integer({ min: 1, max: 3 })),
      score: fc.option(fc.nat(2), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 40, size: 'max' },
  ),
  delaysSeconds: fc.array(fc.integer({ min: 0, max: LATENESS_SECONDS }), { minLength: 100, maxLength: 100 }),
});

interface Deed extends Pick<LeadEvent, 'id' | 'leadId' | 'type' | 'metadata' | 'score'> {
  readonly seconds: number;
}

function leadsThatFire(sequences: readonly SequenceDefinition[], deeds: readonly Deed[]): string[] {
  const matcher = new Matcher({
    allowedLatenessMicros: LATENESS_SECONDS * SECOND_MICROS,
    futureSkewMicros: 0,
    heldEventsMax: 1_000_000,
  });
  for (const sequence of sequences) matcher.setSequence(sequence);
  const fired = new Set<string>();
  // One arrival time for all keeps the silence of a lead out of the comparison.
  const arrivalMicros = 1000 * SECOND_MICROS;
  for (const [index, { seconds, ...deed }] of deeds.entries()) {
    const timeMicros = seconds * SECOND_MICROS;
    const event: LeadEvent = { ...deed, ou: 'one', timeMicros, arrivalMicros, streamSequence: index + 1 };
    const outcome = normalized(matcher.apply(event));
    expect(outcome.kind).not.toBe('rejected');
    for (const completion of outcome.kind === 'held' ? outcome.completions : []) {
      fired.add(`${completion.sequenceId} ${deed.leadId}`);
    }
  }
  return [...fired].sort();
}

describe('late and out-of-order events', () => {
  it('R10, S8: every arrival order within the lateness fires for the same sequences and leads, and for more at most where types are excluded', () => {
    let fires = 0;
    let more = 0;
    fc.assert(
      fc.property(journals, ({ drafts, steps, delaysSeconds }) => {
        let seconds = 0;
        const inOrder = steps.map(({ lead, type, step, n, score }, index): Deed => {
          seconds += step;
          const metadata = n === null ? { plan: 'pro', a: { b: 1 } } : { n, plan: 'plus' };
          return { id: `e${index}`, leadId: `lead${lead}`, type: 'ABCD'[type]!, metadata, score, seconds };
        });
        // The delay depends on the instant alone, so that events of equal time keep their order.
        const arrivals = inOrder.toSorted(
          (a, b) => a.seconds + delaysSeconds[a.seconds]! - (b.seconds + delaysSeconds[b.seconds]!),
        );
        const sequences = drafts.map((draft) => definitionOfDraft({ ...draft, ou: 0 }, 0));
        const expected = leadsThatFire(sequences, inOrder);
        const fired = leadsThatFire(sequences, arrivals);
        expect(fired).toEqual(expect.arrayContaining(expected));
        // Of two drafts for one id the last is in force.
        const byId = new Map(sequences.map((sequence) => [sequence.id, sequence]));
        const unexpected = fired.filter((each) => !expected.includes(each));
        expect(unexpected.filter((each) => byId.get(each.split(' ')[0]!)!.exclude!.length === 0)).toEqual([]);
        fires += expected.length;
        more += unexpected.length;
      }),
      { numRuns: 3000 },
    );
    expect(fires).toBeGreaterThan(1000);
    // An excluded event that comes too late takes nothing back.
    expect(more).toBeGreaterThan(0);
  });

  it.each([4, 1_000_000])(
    'R3 to R10: every match is sound and no event is used twice, however disordered (held events %i)',
    (heldEventsMax) => {
      let matches = 0;
      fc.assert(
        fc.property(scripts(SHAPE), (script) => {
          // Ids are unique, because an event that was dropped from a long log is not recognized again.
          const commands = script.commands
            .filter(({ kind }) => kind === 'event' || kind === 'restart' || kind === 'sweep')
            .map((command) => (command.kind === 'event' ? { ...command, repeats: null } : command));
          const stable = { ...script, commands };
          const options = { heldEventsMax, restarts: true, sweeps: true };
          const turns = play(
            stable,
            options,
            matcherPlay((limits) => new Matcher(limits)),
          );
          const definitions = new Map(
            stable.sequences.map((draft) => definitionOfDraft(draft, 0)).map((s) => [`${s.ou}/${s.id}`, s]),
          );
          const used = new Set<string>();
          const eventsById = new Map(turns.map(({ event }) => [event.id, event]));
          for (const { event, outcome } of turns) {
            for (const completion of outcome.kind === 'held' ? outcome.completions : []) {
              const sequence = definitions.get(`${event.ou}/${completion.sequenceId}`)!;
              expectSound(
                sequence,
                completion.events.map(({ id }) => eventsById.get(id)!),
              );
              for (const { id } of completion.events) {
                const use = JSON.stringify([sequence.ou, sequence.id, id]);
                expect(used.has(use), use).toBe(false);
                used.add(use);
              }
              matches += 1;
            }
          }
        }),
        { numRuns: 1000 },
      );
      expect(matches).toBeGreaterThan(500);
    },
  );
});

/** `events` as they came, the first for the first step where the order counts. */
function expectSound(sequence: SequenceDefinition, events: readonly LeadEvent[]): void {
  const times = events.map((event) => event.timeMicros);
  expect(sequence.active).toBe(true);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(times.at(-1)! - times[0]!).toBeLessThanOrEqual(sequence.windowMicros);
  const steps = stepsOf(sequence.eventTypes);
  expect(events).toHaveLength(steps.length);
  if (!sequence.ordered) {
    expect(canBeFilled(steps, events)).toBe(true);
    return;
  }
  const gapMicros = sequence.maxGapMicros ?? Number.POSITIVE_INFINITY;
  for (const [step, event] of events.entries()) {
    expect(accepts(steps[step]!, event)).toBe(true);
    expect(event.timeMicros - (times[step - 1] ?? event.timeMicros)).toBeLessThanOrEqual(gapMicros);
  }
}

function accepts({ types, where }: WrittenStep, event: LeadEvent): boolean {
  return types.includes(event.type) && (where === null || judgedBy(where, event));
}

/** Whether there is an event for each step, each for one. */
function canBeFilled(steps: readonly WrittenStep[], events: readonly LeadEvent[]): boolean {
  const [step, ...rest] = steps;
  if (step === undefined) return true;
  return events.some(
    (event) =>
      accepts(step, event) &&
      canBeFilled(
        rest,
        events.filter((each) => each !== event),
      ),
  );
}
