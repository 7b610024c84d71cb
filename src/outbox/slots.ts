import type { Lane, Origin, Standing } from './lane.ts';
import type { OutboxLimits } from './options.ts';

/**
 * Who may have an attempt. Proven destinations may have all of them, the untried and the suspects a share each,
 * and of these two the destinations on one server a smaller one, so that a dead host with hundreds of paths takes no
 * more than any other.
 */
export class Slots {
  readonly #limits: OutboxLimits;
  readonly #shares: Readonly<Record<Standing, number>>;
  readonly #taken = { proven: 0, untried: 0, suspect: 0 };
  readonly #wake: (lane: Lane) => void;
  #count = 0;

  /** @param wake told of a lane that waited for others of its server and may go on */
  constructor(limits: OutboxLimits, wake: (lane: Lane) => void) {
    this.#limits = limits;
    this.#wake = wake;
    this.#shares = {
      proven: limits.attemptsMax,
      untried: limits.attemptsToUntriedMax,
      suspect: limits.attemptsToSuspectsMax,
    };
  }

  /** Attempts under way. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#limits.attemptsMax;
  }

  readonly hasShare = (standing: Standing): boolean => this.#taken[standing] < this.#shares[standing];

  /** Whether the lane has as many attempts under way as it may. */
  isLaneFull(lane: Lane): boolean {
    return lane.underWay >= (lane.standing === 'proven' ? this.#limits.attemptsPerLaneMax : 1);
  }

  /** Has a lane that is not proven wait while others of its server have what they may. */
  waitsForOrigin(lane: Lane): boolean {
    if (lane.standing === 'proven' || lane.origin === null || this.#hasRoom(lane.origin)) return false;
    lane.origin.waiting.add(lane);
    // Many may wait for long.
    lane.forgetAhead();
    return true;
  }

  /** Takes a slot for an attempt in the lane; the result gives it back. */
  take(lane: Lane): () => void {
    const { standing } = lane;
    const origin = standing === 'proven' ? null : lane.origin;
    this.#count += 1;
    this.#taken[standing] += 1;
    lane.underWay += 1;
    if (origin !== null) origin.unprovenUnderWay += 1;
    return () => {
      this.#count -= 1;
      this.#taken[standing] -= 1;
      lane.underWay -= 1;
      if (origin !== null) origin.unprovenUnderWay -= 1;
      this.passOn(origin);
    };
  }

  /** Wakes a lane that waits, where its server has room: also when one that was woken had nothing to do. */
  passOn(origin: Origin | null): void {
    if (origin === null || !this.#hasRoom(origin)) return;
    const [lane] = origin.waiting;
    if (lane === undefined) return;
    origin.waiting.delete(lane);
    this.#wake(lane);
  }

  #hasRoom(origin: Origin): boolean {
    return origin.unprovenUnderWay < this.#limits.attemptsToUnprovenPerOriginMax;
  }
}
