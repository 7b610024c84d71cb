import type { LeadEvent, LeadId } from '../../src/model/event.ts';
import type { SequenceDefinition, SequenceId } from '../../src/model/sequence.ts';
import { type Cost, startCost } from './cost.ts';

/** What every contestant is given: the same sequences, and the same events in stream order. */
export interface Workload {
  readonly sequences: readonly SequenceDefinition[];
  readonly blocks: () => Iterable<readonly LeadEvent[]>;
}

/** Per sequence the leads that completed it at least once, in the order of their names; none: no entry. */
export type CompletedLeads = Readonly<Record<SequenceId, readonly LeadId[]>>;

/** What a contestant found, and what it took. */
export interface Run {
  readonly version: string;
  /** Making the events and, for a peer, inserting and sorting them: all that is not evaluation. */
  readonly loadSeconds: number;
  readonly evaluation: Cost;
  readonly completed: CompletedLeads;
}

/** An engine that holds the events in a table and evaluates sequences over all of it when asked. */
export interface BatchEngine {
  readonly version: string;
  insert(events: readonly LeadEvent[]): Promise<void>;
  /** Called once after the last insert: puts the table into the order that the queries want. */
  sort(): Promise<void>;
  /** Pairs of a sequence's index in the given list and a lead that completed it, each pair once. */
  evaluate(sequences: readonly SequenceDefinition[]): Promise<(readonly [number, LeadId])[]>;
  close(): void;
}

const EVALUATIONS = 3;

/** Loads all events, then evaluates three times; the median counts, so that no peer pays for its first query. */
export async function runBatch(engine: BatchEngine, { sequences, blocks }: Workload): Promise<Run> {
  const loadCost = startCost();
  for (const events of blocks()) await engine.insert(events);
  await engine.sort();
  const { seconds: loadSeconds } = loadCost();
  const costs: Cost[] = [];
  let pairs: (readonly [number, LeadId])[] = [];
  for (let evaluation = 0; evaluation < EVALUATIONS; evaluation++) {
    const cost = startCost();
    pairs = await engine.evaluate(sequences);
    costs.push(cost());
  }
  engine.close();
  return {
    version: engine.version,
    loadSeconds,
    evaluation: costs.sort((a, b) => a.seconds - b.seconds)[Math.floor(EVALUATIONS / 2)]!,
    completed: completedLeads(pairs.map(([index, leadId]) => [sequences[index]!.id, leadId])),
  };
}

/** Groups pairs of a sequence and a lead; a pair may occur more than once. */
export function completedLeads(pairs: Iterable<readonly [SequenceId, LeadId]>): CompletedLeads {
  const leads = new Map<SequenceId, Set<LeadId>>();
  for (const [sequenceId, leadId] of pairs) {
    const known = leads.get(sequenceId);
    if (known === undefined) leads.set(sequenceId, new Set([leadId]));
    else known.add(leadId);
  }
  const sequenceIds = [...leads.keys()].sort();
  return Object.fromEntries(sequenceIds.map((id) => [id, [...leads.get(id)!].sort()]));
}
