import type { IngestEvent } from '../api/catalogPorts.ts';
import type { SimulateResult, SimulationPort } from '../api/ports.ts';
import type { Config } from '../config/schema.ts';
import { holdingsOf, keyOf, Simulation, type SimulationSetup } from '../engine/simulation.ts';
import type { LeadEvent, LeadId, OuId } from '../model/event.ts';
import { parseInstant } from '../model/instant.ts';
import { definitionOf, type Sequence } from '../model/sequence.ts';
import type { SimulationReport } from '../model/simulation.ts';
import { labelOf, type StepTest, stepsOf } from '../model/step.ts';
import { type Core, matcherLimits } from './core.ts';
import { type FeedPlace, LookBackProcess } from './lookBackProcess.ts';

const DAY_MS = 86_400_000;
/** What was not a look-back has looked at everything that it was given. */
const WHOLE = { isComplete: true, fraction: 1 } as const;

/** Tries sequences on events, as the API asks for it. */
export function simulationPort(config: Config, core: Core): SimulationPort {
  const limits = matcherLimits(config);
  const lookBacks = new LookBackProcess();
  /** A look-back takes a processor and the memory of a matcher, so there is one at a time. */
  let isLookingBack = false;

  const setupOf = (sequence: Sequence): SimulationSetup => {
    const saved = core.catalog.list(sequence.ou).map(definitionOf);
    return { definition: definitionOf(sequence), holdings: holdingsOf(saved), limits };
  };

  const lookBack = async (
    sequence: Sequence,
    { days, timeLimitSeconds }: { readonly days: number; readonly timeLimitSeconds: number },
    signal: AbortSignal,
  ): Promise<SimulateResult> => {
    const { room, abort, log } = core;
    if (room === null) return { ok: false, reason: 'The stream is not connected.' };
    if (isLookingBack) return { ok: false, reason: 'Another look-back is under way; try again shortly.' };
    isLookingBack = true;
    const startedMs = performance.now();
    try {
      const job = {
        source: room.stored,
        range: { ou: sequence.ou, sinceMs: Date.now() - days * DAY_MS },
        setup: setupOf(sequence),
        timeLimitMs: timeLimitSeconds * 1000,
      };
      const ended = AbortSignal.any([signal, abort.signal]);
      const { outcome, restedMs, ...end } = await lookBacks.run(job, () => feedPlace(core), ended);
      log.info(
        {
          ou: sequence.ou,
          days,
          scannedEvents: outcome.scannedEvents,
          isComplete: end.isComplete,
          isAbandoned: signal.aborted,
          milliseconds: Math.round(performance.now() - startedMs),
          restedMs: Math.round(restedMs),
        },
        'a look-back ended',
      );
      return { ok: true, report: { ...outcome, ...end, lead: null } };
    } catch (error) {
      log.warn({ err: error }, 'a look-back failed');
      return { ok: false, reason: 'The stored events could not be read; try again shortly.' };
    } finally {
      isLookingBack = false;
    }
  };

  return {
    simulate: async (sequence, input, signal) => {
      switch (input.kind) {
        case 'events':
          return { ok: true, report: onEvents(setupOf(sequence), input.events) };
        case 'lead':
          return { ok: true, report: onLead(setupOf(sequence), core, input.leadId) };
        case 'look_back':
          return lookBack(sequence, input, signal);
      }
    },
  };
}

/** By the arrival of its last message: where it has none, or is far behind, its next one says that it moves. */
function feedPlace({ engine, matcher }: Core): FeedPlace {
  return { position: engine.position, sinceMs: Date.now() - matcher.clockMicros / 1000 };
}

/** As if the events arrived now, in this order, of leads of which nothing is known. */
function onEvents(setup: SimulationSetup, given: readonly IngestEvent[]): SimulationReport {
  const simulation = new Simulation(setup);
  const nowMicros = Date.now() * 1000;
  const events = given.map((event, index) => toLeadEvent(event, setup.definition.ou, index + 1, nowMicros));
  for (const event of events) simulation.apply({ event });
  return { ...simulation.outcome(), ...WHOLE, range: rangeOf(events), lead: null };
}

function toLeadEvent(event: IngestEvent, ou: OuId, streamSequence: number, arrivalMicros: number): LeadEvent {
  const { id, leadId, eventType: type, createdAt, metadata, score } = event;
  return {
    ou,
    leadId,
    id,
    type,
    timeMicros: (createdAt === null ? undefined : parseInstant(createdAt)) ?? arrivalMicros,
    streamSequence,
    arrivalMicros,
    metadata: metadata ?? undefined,
    score: score ?? undefined,
  };
}

/**
 * The held events of one lead in the order of their arrival, as if nothing had been used up. When they arrived is
 * not held, so each counts as arrived at its own time, or with one before it that is newer.
 */
function onLead(
  setup: SimulationSetup,
  { matcher, catalog, engine }: Core,
  leadId: LeadId,
): SimulationReport {
  const { ou } = setup.definition;
  engine.bring(ou, leadId);
  const held = matcher.insight.heldEvents(ou, leadId);
  const simulation = new Simulation(setup);
  let arrivalMicros = Number.NEGATIVE_INFINITY;
  for (const event of held?.events ?? []) {
    arrivalMicros = Math.max(arrivalMicros, event.timeMicros);
    simulation.apply({ event: { ...event, ou, leadId, arrivalMicros } });
  }
  const standing = simulation.leadStanding(leadId, held?.nowMicros);
  const typesNotHeld = typesHeldTooShort(setup, catalog.list(ou));
  return {
    ...simulation.outcome(),
    ...WHOLE,
    range: rangeOf(held?.events ?? []),
    lead: { standing, typesNotHeld },
  };
}

/**
 * What the steps of a sequence ask for, and what it excludes, that none of the saved sequences has held for as long as its window: events
 * that are not held, and conditions that events were not judged by when they came.
 */
function typesHeldTooShort({ definition }: SimulationSetup, saved: readonly Sequence[]): readonly string[] {
  const holdings = holdingsOf(saved.map(definitionOf));
  const windowMicros = new Map(holdings.map((holding) => [keyOf(holding.step), holding.windowMicros]));
  const isHeld = (step: StepTest) => (windowMicros.get(keyOf(step)) ?? -1) >= definition.windowMicros;
  const isShort = (step: StepTest) =>
    !isHeld(step) &&
    (step.where !== null || !step.types.every((type) => isHeld({ types: [type], where: null })));
  const excluded = (definition.exclude ?? []).map((type) => ({ types: [type], where: null }));
  return [...new Set([...stepsOf(definition.eventTypes), ...excluded].filter(isShort).map(labelOf))];
}

function rangeOf(events: readonly { readonly timeMicros: number }[]): SimulationReport['range'] {
  if (events.length === 0) return null;
  let fromMicros = Number.POSITIVE_INFINITY;
  let toMicros = Number.NEGATIVE_INFINITY;
  for (const { timeMicros } of events) {
    fromMicros = Math.min(fromMicros, timeMicros);
    toMicros = Math.max(toMicros, timeMicros);
  }
  return { fromMicros, toMicros };
}
