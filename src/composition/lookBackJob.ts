import { Simulation, type SimulationSetup } from '../engine/simulation.ts';
import type { FeedMessage } from '../model/event.ts';
import type { SimulationOutcome } from '../model/simulation.ts';
import { type LookBackEnd, type LookBackRange, type LookBackSource, lookBack } from '../stream/lookBack.ts';
import { withTimeLimit } from './timeLimit.ts';

/** A sequence and the stored events to try it on. Plain data, so that it can be handed to another process. */
export interface LookBackJob {
  readonly source: LookBackSource;
  readonly range: LookBackRange;
  readonly setup: SimulationSetup;
  readonly timeLimitMs: number;
}

export interface LookBackResult extends LookBackEnd {
  readonly outcome: SimulationOutcome;
  /** Arrival of the first and the last message that was read; null: there was none. */
  readonly range: { readonly fromMicros: number; readonly toMicros: number } | null;
  /** For how long it let the feed go first. */
  readonly restedMs: number;
}

/** Nothing that a look-back does is worth a line: what matters is in its answer or its error. */
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Applies what the stream still holds to a simulation, until all is read, the time is over, or `signal` aborts.
 *
 * @param rest is waited for after each group of messages, and resolves with how long it was, in milliseconds
 */
export async function runLookBack(
  job: LookBackJob,
  signal: AbortSignal,
  rest: () => Promise<number>,
): Promise<LookBackResult> {
  const simulation = new Simulation(job.setup);
  let first: FeedMessage | undefined;
  let last: FeedMessage | undefined;
  let restedMs = 0;
  const take = async (messages: readonly FeedMessage[]): Promise<void> => {
    first ??= messages[0];
    last = messages.at(-1);
    for (const { decoded } of messages) simulation.apply(decoded);
    restedMs += await rest();
  };
  const end = await withTimeLimit(job.timeLimitMs, signal, (ended) =>
    lookBack(job.source, job.range, take, ended, SILENT),
  );
  const range =
    first === undefined || last === undefined
      ? null
      : { fromMicros: first.arrivalMicros, toMicros: last.arrivalMicros };
  return { ...end, outcome: simulation.outcome(), range, restedMs };
}
