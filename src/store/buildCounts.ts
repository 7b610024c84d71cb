import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from './environment.ts';
import type { RangeCounts } from './rangeCounts.ts';

/** Between two steps the feed and the outbox have the process and the disk for themselves. */
const STEP_PAUSE_MS = 5;

/**
 * Counts what indexes held before they had counts, step by step, each step in one transaction. What is not done
 * when it is aborted or when the process ends is done by a later call.
 */
export async function buildCounts(
  environment: Environment,
  all: readonly RangeCounts[],
  signal: AbortSignal,
): Promise<void> {
  for (const counts of all) {
    while (!counts.isComplete && !signal.aborted) {
      await environment.write(() => counts.buildStep());
      await sleep(STEP_PAUSE_MS);
    }
  }
}
