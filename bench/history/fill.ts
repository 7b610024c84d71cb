import { createHash } from 'node:crypto';
import type { Delivery } from '../../src/model/delivery.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { FireEntry } from '../../src/store/fires.ts';

export const OU = 'default';
/** One fire in so many is of one sequence, and one in so many of one lead. */
const SEQUENCES = 100;
const LEADS = 1_000;
export const SEQUENCE = 'seq-7';
export const LEAD = 'lead-7';
/** All fires lie within so long. */
export const SPAN_MICROS = 30 * 86_400 * 1e6;
/** As many as the engine commits at a time. */
const GROUP = 300;

/** Which fires to make: those with the numbers from `first` up to `end`, of so many that share the span. */
export interface Numbers {
  readonly first: number;
  readonly end: number;
  readonly count: number;
  readonly startMicros: number;
}

/** Groups of fires in the order of their arrival, each with a delivery that is over. */
export function* entries({ first, end, count, startMicros }: Numbers): Generator<readonly FireEntry[]> {
  for (let from = first; from < end; from += GROUP) {
    const size = Math.min(GROUP, end - from);
    yield Array.from({ length: size }, (_, index) =>
      entry(from + index, startMicros + Math.floor(((from + index) / count) * SPAN_MICROS)),
    );
  }
}

function entry(number: number, firedAtMicros: number): FireEntry {
  // As scattered as the ids of fires are, which are digests too.
  const digest = createHash('sha256').update(String(number)).digest('hex').slice(0, 32);
  const fire: Fire = {
    id: `fire-${digest}`,
    ou: OU,
    sequenceId: `seq-${number % SEQUENCES}`,
    sequenceName: 'Ready to buy',
    sequenceVersion: 1,
    leadId: `lead-${number % LEADS}`,
    eventTypes: ['pricing_page', 'demo_request'],
    events: [
      { id: `event-${number}-1`, type: 'pricing_page', timeMicros: firedAtMicros - 60_000_000 },
      { id: `event-${number}-2`, type: 'demo_request', timeMicros: firedAtMicros - 1_000 },
    ],
    completedAtMicros: firedAtMicros - 1_000,
    firedAtMicros,
    streamSequence: number + 1,
    late: false,
    stale: false,
    isSample: false,
  };
  return { fire, deliveries: [deliveryOf(fire, digest)] };
}

function deliveryOf({ id: fireId, sequenceId, leadId, streamSequence, firedAtMicros }: Fire, digest: string) {
  const createdAtMs = Math.floor(firedAtMicros / 1000);
  const delivery: Delivery = {
    id: `del-${digest}`,
    ou: OU,
    fireId,
    sequenceId,
    leadId,
    streamSequence,
    channel: 'webhook',
    destination: 'https://example.com/hook',
    state: 'delivered',
    reason: null,
    attemptsMade: 1,
    attemptsBefore: 0,
    createdAtMs,
    dueAtMs: null,
    updatedAtMs: createdAtMs,
  };
  return delivery;
}
