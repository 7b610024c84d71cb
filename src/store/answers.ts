import { type Answer, AnswerRows, type Place, sizeOf } from './answerRows.ts';
import type { Environment } from './environment.ts';

const KEPT_MS = 24 * 3_600_000;
/** Of one token; above it the oldest give way. */
const BYTES_PER_TOKEN_MAX = 32 * 2 ** 20;
const SWEEP_INTERVAL_MS = 3_600_000;
/** A step of the queue holds up everything else while it runs. */
const ROWS_SWEPT_MAX = 500;

/** The answers to requests with an Idempotency-Key: of each token those of a day, or the last 32 MiB. */
export interface AnswerStore {
  get(place: Place): Answer | undefined;
  /** Resolves to true when it is on disk, to false when it cannot be written at this moment. */
  put(place: Place, answer: Answer): Promise<boolean>;
  /** Resolves when it is gone for whoever looks. */
  remove(place: Place): Promise<void>;
}

export function openAnswerStore(
  environment: Environment,
  nowMs: () => number = Date.now,
  bytesMax: number = BYTES_PER_TOKEN_MAX,
): AnswerStore {
  const rows = new AnswerRows(environment);
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  /** A token that is not used any more has its old answers removed too. */
  const sweep = (): void => {
    if (nowMs() - sweptAtMs < SWEEP_INTERVAL_MS) return;
    const until = { beforeMs: nowMs() - KEPT_MS, bytesNeeded: 0, bytesMax };
    let left = ROWS_SWEPT_MAX;
    for (const tokenId of rows.tokens()) left -= rows.removeOldest(tokenId, until, left);
    if (left > 0) sweptAtMs = nowMs();
  };

  return {
    get: (place) => {
      const row = rows.get(place);
      if (row === undefined || row.atMs < nowMs() - KEPT_MS) return undefined;
      const { fingerprint, freshId, sealed } = row;
      return { fingerprint, freshId, sealed };
    },
    put: async (place, answer) => {
      // It would wait for room, and the request with it.
      if (environment.trouble() !== null) return false;
      const atMs = nowMs();
      const until = { beforeMs: atMs - KEPT_MS, bytesNeeded: sizeOf(answer), bytesMax };
      await environment.write(() => {
        sweep();
        rows.remove(place);
        // Some at a time, since a step holds up everything else; what is over is not answered with in any case.
        rows.removeOldest(place.tokenId, until, ROWS_SWEPT_MAX);
        rows.put(place, { ...answer, atMs });
      });
      await environment.flushed();
      return true;
    },
    remove: async (place) => {
      // What stays is taken for a request whose end nobody saw, and is made again.
      if (environment.trouble() !== null) return;
      await environment.write(() => rows.remove(place));
    },
  };
}
