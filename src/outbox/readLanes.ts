import type { Clock } from './clock.ts';
import type { DeliveryQueue } from './ports.ts';

const LANES_MAX = 2_000;

/** Tells of every lane in the queue: when its first row is due, and which have held rows. Resolves to how many. */
export async function readLanes(
  queue: DeliveryQueue,
  clock: Clock,
  onDue: (lane: string, dueAtMs: number) => void,
  onHeld: (lane: string) => void,
): Promise<{ lanes: number; heldLanes: number }> {
  const counts = { lanes: 0, heldLanes: 0 };
  const due = lanesInParts(
    (...part) => queue.lanes(...part),
    ({ lane }) => lane,
    clock,
  );
  for await (const { lane, dueAtMs } of due) {
    onDue(lane, dueAtMs);
    counts.lanes += 1;
  }
  const held = lanesInParts(
    (...part) => queue.heldLanes(...part),
    (lane) => lane,
    clock,
  );
  for await (const lane of held) {
    onHeld(lane);
    counts.heldLanes += 1;
  }
  return counts;
}

/** Reads lanes a part at a time, since there may be many, and others have work to do in between. */
async function* lanesInParts<T>(
  read: (after: string | null, count: number) => readonly T[],
  nameOf: (lane: T) => string,
  clock: Clock,
): AsyncGenerator<T, void, undefined> {
  for (let after: string | null = null; ; ) {
    const lanes = read(after, LANES_MAX);
    yield* lanes;
    const last = lanes.at(-1);
    if (last === undefined || lanes.length < LANES_MAX) return;
    after = nameOf(last);
    await new Promise<void>((resolve) => clock.after(0, resolve));
  }
}
