import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { holdingsOf, Simulation } from '../../src/engine/simulation.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { Outcome } from '../../src/matcher/outcome.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { SimulationOutcome } from '../../src/model/simulation.ts';
import { SECOND_MICROS } from '../support/oracleBench.ts';
import { definitionOfDraft, EventWriter, LEADS, type Script, scripts } from '../support/oracleScripts.ts';

interface Live {
  readonly limits: MatcherLimits;
  readonly definitions: readonly SequenceDefinition[];
  readonly turns: readonly { readonly event: LeadEvent; readonly outcome: Outcome }[];
}

/** Plays a script to a matcher with all its sequences, each active, as the engine would. */
function playLive(script: Script): Live {
  const limits = {
    allowedLatenessMicros: script.latenessSeconds * SECOND_MICROS,
    futureSkewMicros: script.skewSeconds * SECOND_MICROS,
    heldEventsMax: 1_000_000,
  };
  const matcher = new Matcher(limits);
  const byId = new Map<string, SequenceDefinition>();
  for (const draft of script.sequences) {
    const definition = definitionOfDraft({ ...draft, active: true }, 0);
    byId.set(`${definition.ou}/${definition.id}`, definition);
  }
  for (const definition of byId.values()) matcher.setSequence(definition);
  const writer = new EventWriter();
  const turns = script.commands.flatMap((command) => {
    if (command.kind !== 'event') return [];
    // Streams store messages in the order of their arrival.
    const event = writer.event({ ...command, arrivalStep: Math.max(0, command.arrivalStep) });
    return [{ event, outcome: matcher.apply(event) }];
  });
  return { limits, definitions: [...byId.values()], turns };
}

/** What a simulation of the sequence should say, taken from what happened. */
function expectedOutcome({ turns }: Live, { ou, id }: SequenceDefinition) {
  const ofOu = turns.filter(({ event }) => event.ou === ou);
  const completions = ofOu.flatMap(({ event, outcome }) =>
    outcome.kind === 'held'
      ? outcome.completions
          .filter(({ sequenceId }) => sequenceId === id)
          .map((completion) => ({ leadId: event.leadId, ...completion }))
      : [],
  );
  const fires = completions.filter(({ suppressed }) => suppressed === null);
  const rejected: Record<string, number> = {};
  for (const { outcome } of ofOu) {
    if (outcome.kind !== 'rejected') continue;
    rejected[outcome.rejection.reason] = (rejected[outcome.rejection.reason] ?? 0) + 1;
  }
  const countOf = (kind: Outcome['kind']) => ofOu.filter(({ outcome }) => outcome.kind === kind).length;
  const suppressedBy = (reason: string) =>
    completions.filter(({ suppressed }) => suppressed === reason).length;
  return {
    fires: fires.slice(0, 100).map(({ leadId, events, completedAtMicros, late, stale }) => ({
      leadId,
      events,
      completedAtMicros,
      late,
      stale,
    })),
    fireCount: fires.length,
    leadCount: new Set(fires.map(({ leadId }) => leadId)).size,
    scannedEvents: ofOu.length,
    counts: {
      duplicates: countOf('duplicate'),
      unlisted: countOf('unlisted'),
      lateFires: fires.filter(({ late }) => late).length,
      staleFires: fires.filter(({ stale }) => stale).length,
      suppressed: { once_per_lead: suppressedBy('once_per_lead'), cooldown: suppressedBy('cooldown') },
      rejected,
    },
  } satisfies Omit<SimulationOutcome, 'leadsAfterStep'>;
}

const SHAPE = {
  typesMax: 4,
  leadsMax: 4,
  sequencesMax: 6,
  stepsMax: 4,
  commandsMin: 20,
  commandsMax: 150,
  changeWeight: 0,
  disorder: true,
};

describe('a simulation of a sequence', () => {
  it('fires as the sequence did among all others, and counts what did not fire', () => {
    const reached = { fires: 0, lateFires: 0, staleFires: 0, suppressed: 0, duplicates: 0, rejected: 0 };
    fc.assert(
      fc.property(scripts(SHAPE), (script) => {
        const live = playLive(script);
        for (const definition of live.definitions) {
          const sameOu = live.definitions.filter(({ ou }) => ou === definition.ou);
          const holdings = holdingsOf(sameOu);
          const inactive = { ...definition, active: false, effectiveFrom: 1_000_000 };
          const simulation = new Simulation({ definition: inactive, holdings, limits: live.limits });
          for (const { event } of live.turns) {
            if (event.ou === definition.ou) simulation.apply({ event });
          }
          const { leadsAfterStep, ...outcome } = simulation.outcome();
          const expected = expectedOutcome(live, definition);
          expect(outcome).toEqual(expected);
          // Each lead for itself, as the standing of one lead says.
          const steps = LEADS.map((leadId) => simulation.leadStanding(leadId).filled.length);
          expect(leadsAfterStep).toEqual(
            definition.eventTypes.map((_, index) => steps.filter((step) => step === index + 1).length),
          );
          reached.fires += expected.fireCount;
          reached.lateFires += expected.counts.lateFires;
          reached.staleFires += expected.counts.staleFires;
          reached.suppressed += expected.counts.suppressed.cooldown;
          reached.duplicates += expected.counts.duplicates;
          reached.rejected += expected.counts.rejected.too_late ?? 0;
        }
      }),
      { numRuns: 500 },
    );
    // Without these the runs would show little.
    for (const count of Object.values(reached)) expect(count, JSON.stringify(reached)).toBeGreaterThan(30);
  });

  it('keeps the first 100 fires, and counts the others', () => {
    const definition = { ...definitionOfDraft(SINGLE_STEP, 0), eventTypes: ['a'] };
    const limits = { allowedLatenessMicros: 0, futureSkewMicros: 0, heldEventsMax: 64 };
    const simulation = new Simulation({ definition, holdings: [], limits });
    for (let index = 1; index <= 250; index++) {
      const event = { ou: 'one', leadId: `l${index % 7}`, id: `e${index}`, type: 'a' };
      simulation.apply({
        event: { ...event, timeMicros: index, arrivalMicros: index, streamSequence: index },
      });
    }
    simulation.apply({ rejection: { reason: 'not_json', detail: '' } });
    const { fires, fireCount, leadCount, scannedEvents, counts } = simulation.outcome();
    expect(fires.map(({ events }) => events[0]?.id)).toEqual(
      Array.from({ length: 100 }, (_, index) => `e${index + 1}`),
    );
    expect({ fireCount, leadCount, scannedEvents }).toEqual({
      fireCount: 250,
      leadCount: 7,
      scannedEvents: 251,
    });
    expect(counts.rejected).toEqual({ not_json: 1 });
  });
});

const SINGLE_STEP: Script['sequences'][number] = {
  ou: 0,
  slot: 0,
  entries: [{ types: [0], condition: -1, count: 1 }],
  exclude: [],
  gapSeconds: null,
  windowSeconds: 1,
  ordered: true,
  active: true,
  refire: { mode: 'every' },
  delaySeconds: null,
};
