import type { EncodedLead, LeadKey, Matcher } from '../matcher/matcher.ts';
import type { LeadId, OuId } from '../model/event.ts';
import type { StateStorePort } from './ports.ts';

/** How much is loaded in one go. */
interface Portion {
  readonly leads: number;
  /** Of their states: some leads hold thousands of events. */
  readonly bytes: number;
}

export interface Loading {
  /** Before anything else begins. */
  readonly atStart: Portion;
  /** Between two groups of messages. */
  readonly perTurn: Portion;
  readonly intervalMs: number;
}

/**
 * At the start some 0.2 s, so that of most stores all is there when the program answers; then some milliseconds at a
 * time, with rests that a backlog is read in.
 */
export const LOADING: Loading = {
  atStart: { leads: 20_000, bytes: 4 * 2 ** 20 },
  perTurn: { leads: 500, bytes: 2 ** 17 },
  intervalMs: 5,
};

/**
 * Brings the lead states from the disk into memory after a start: some at once, the others a portion at a time while
 * the feed runs, and before its turn each lead that an event or a question is about (restart on demand, as databases
 * have it: Graefe, Guy and Sauer, "Instant Recovery with Write-Ahead Logging", 2014).
 *
 * What is not in memory has not changed since the start, so the row on disk is its state whenever that is read. That
 * rests on two rules: `bring` is called before a lead is read or changed, and none is removed from memory until all
 * are there.
 */
export class LeadLoader {
  private readonly matcher: Matcher;
  private readonly store: StateStorePort;
  private readonly loading: Loading;
  /** The last row that was looked at in the order of the rows. */
  private place: LeadKey | null = null;
  private isCompleteValue = false;
  /** After which nothing is right any more: a lead may be in memory with a half of what it has. */
  private failure: Error | null = null;

  constructor(matcher: Matcher, store: StateStorePort, loading: Loading) {
    this.matcher = matcher;
    this.store = store;
    this.loading = loading;
  }

  /** Between two calls of `loadNext`. */
  get intervalMs(): number {
    return this.loading.intervalMs;
  }

  /** Whether all are in memory. */
  get isComplete(): boolean {
    return this.isCompleteValue;
  }

  /** Loads a lead unless it is in memory or unknown. Throws an Error that names it when its state cannot be read. */
  bring(ou: OuId, leadId: LeadId): void {
    if (this.failure !== null) throw this.failure;
    if (this.isCompleteValue || this.matcher.knows(ou, leadId)) return;
    const state = this.store.leadState(ou, leadId);
    if (state !== undefined) this.load({ ou, leadId, state });
  }

  /** Loads what the start waits for. Throws as `bring` does. */
  loadFirst(): void {
    this.loadSome(this.loading.atStart);
  }

  /** Loads some more, if there are any. Throws as `bring` does. */
  loadNext(): void {
    if (!this.isCompleteValue) this.loadSome(this.loading.perTurn);
  }

  private loadSome({ leads, bytes }: Portion): void {
    let leadsLeft = leads;
    let bytesLeft = bytes;
    for (const row of this.store.leadsBehind(this.place)) {
      this.place = { ou: row.ou, leadId: row.leadId };
      bytesLeft -= row.state.length;
      if (!this.matcher.knows(row.ou, row.leadId)) this.load(row);
      if (--leadsLeft <= 0 || bytesLeft <= 0) return;
    }
    this.isCompleteValue = true;
  }

  private load({ ou, leadId, state }: EncodedLead): void {
    try {
      this.matcher.loadLead(ou, leadId, state);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.failure = new Error(
        `the state of lead ${JSON.stringify(leadId)} of OU ${ou} cannot be read: ${problem}`,
      );
      throw this.failure;
    }
  }
}
