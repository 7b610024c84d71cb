import type { InsightPort, SimulationInput, SimulationPort } from '../../src/api/ports.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import type { SimulationReport } from '../../src/model/simulation.ts';
import type { LeadStanding } from '../../src/model/standing.ts';
import { labelsOf } from '../../src/model/step.ts';

/** What the API tests read and change of these ports. */
export interface InsightWorld {
  readonly streamAvailable: boolean;
  readonly catalogAvailable: boolean;
  readonly simulations: { readonly sequence: Sequence; readonly input: SimulationInput }[];
  /** By lead id; of any other lead nothing is known. */
  readonly standings: Map<string, LeadStanding>;
}

const MARCH_MICROS = Date.UTC(2026, 2, 1) * 1000;

export const NOTHING_KNOWN: LeadStanding = {
  filled: [],
  missing: [],
  untilMicros: null,
  cameTooEarly: false,
  hindrances: [],
  unmet: [],
  holdsAny: false,
  newestMicros: null,
  nowMicros: null,
  horizon: null,
  lastFireMicros: null,
};

/** Answers any simulation with one fire. */
export function memorySimulation(world: InsightWorld): SimulationPort {
  return {
    simulate: async (sequence, input) => {
      if (!world.streamAvailable) return { ok: false, reason: 'The stream is not connected.' };
      world.simulations.push({ sequence, input });
      return { ok: true, report: reportOf(sequence, input) };
    },
  };
}

function reportOf({ eventTypes }: Sequence, input: SimulationInput): SimulationReport {
  const standing = { ...NOTHING_KNOWN, missing: labelsOf(eventTypes) };
  const events = labelsOf(eventTypes).map((type, index) => ({
    id: `e${index}`,
    type,
    timeMicros: MARCH_MICROS,
  }));
  const fire = { leadId: 'ada', events, completedAtMicros: MARCH_MICROS, late: false, stale: true };
  return {
    fires: [fire],
    fireCount: 1,
    leadCount: 1,
    scannedEvents: 3,
    counts: {
      duplicates: 1,
      unlisted: 2,
      lateFires: 3,
      staleFires: 4,
      suppressed: { once_per_lead: 5, cooldown: 6 },
      rejected: { too_late: 7 },
    },
    leadsAfterStep: eventTypes.map((_, step) => step),
    range: { fromMicros: MARCH_MICROS, toMicros: MARCH_MICROS + 1 },
    isComplete: false,
    fraction: 0.5,
    lead: input.kind === 'lead' ? { standing, typesNotHeld: ['x'] } : null,
  };
}

export function memoryInsight(world: InsightWorld): InsightPort {
  const asOf = { position: 7, clockMicros: MARCH_MICROS };
  const unavailable = { unavailable: 'this version of the sequence is not in force yet' };
  return {
    progress: async ({ eventTypes }) => {
      if (!world.catalogAvailable) return unavailable;
      const steps = labelsOf(eventTypes).map((eventType, step) => ({ eventType, leadCount: step }));
      return { steps, leadCount: 9, firedCount: 2, ...asOf };
    },
    leadStanding: ({ eventTypes }, leadId) => {
      if (!world.catalogAvailable) return unavailable;
      const standing = world.standings.get(leadId) ?? { ...NOTHING_KNOWN, missing: labelsOf(eventTypes) };
      return { standing, asOf };
    },
  };
}
