import { setImmediate as nextLoop } from 'node:timers/promises';
import type { Insight } from '../matcher/insight.ts';
import type { Sequence } from '../model/sequence.ts';
import type { AsOf, SequenceProgress } from '../model/standing.ts';

/** Leads looked at before other work gets its chance: some milliseconds at a million leads. */
export const LEADS_PER_PORTION = 2_000;
/** Counts that may wait for their turn; each is of another sequence. */
const WAITING_MAX = 16;

/** Why there is no answer: too many wait already, or the matcher does not have the sequence (yet, or any more). */
export type ProgressRefusal = 'busy' | 'not_in_force';

/**
 * Counts how far the leads are in a sequence, in portions between which everything else goes on. One count is made
 * at a time; those who ask for the same sequence meanwhile get its result.
 */
export class ProgressReader {
  private readonly insight: Insight;
  private readonly asOf: () => AsOf;
  private readonly leadsPerPortion: number;
  private readonly pending = new Map<string, Promise<SequenceProgress | ProgressRefusal>>();
  private tail: Promise<unknown> = Promise.resolve();

  /** @param asOf where the matcher stands now */
  constructor(insight: Insight, asOf: () => AsOf, leadsPerPortion = LEADS_PER_PORTION) {
    this.insight = insight;
    this.asOf = asOf;
    this.leadsPerPortion = leadsPerPortion;
  }

  /** Exact as of a position after this call, or of the count under way. */
  read(sequence: Sequence): Promise<SequenceProgress | ProgressRefusal> {
    const key = JSON.stringify([sequence.ou, sequence.id, sequence.version]);
    const shared = this.pending.get(key);
    if (shared !== undefined) return shared;
    if (this.pending.size > WAITING_MAX) return Promise.resolve('busy');
    const counted = this.tail.then(() => this.count(sequence)).finally(() => this.pending.delete(key));
    this.pending.set(key, counted);
    this.tail = counted.catch(() => undefined);
    return counted;
  }

  private async count({ ou, id }: Sequence): Promise<SequenceProgress | ProgressRefusal> {
    const census = this.insight.beginCensus(ou, id);
    if (census === undefined) return 'not_in_force';
    try {
      const asOf = this.asOf();
      while (!census.count(this.leadsPerPortion)) await nextLoop();
      // Those of the sequence that is counted, which may have been changed since it was asked for.
      const { labels, leadsAtStep, leadCount, firedCount } = census;
      const steps = labels.map((eventType, step) => ({
        eventType,
        leadCount: leadsAtStep[step + 1] ?? 0,
      }));
      return { steps, leadCount, firedCount, ...asOf };
    } finally {
      this.insight.endCensus(census);
    }
  }
}
