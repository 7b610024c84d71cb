import type { OuId } from '../model/event.ts';
import type { Lane } from './lane.ts';

/** Lanes in turn: the OUs one after the other, and within each its lanes. */
export class Turns {
  readonly #ous = new Map<OuId, Set<Lane>>();

  has(lane: Lane): boolean {
    return this.#ous.get(lane.ou)?.has(lane) ?? false;
  }

  /** Puts the lane at the end of those of its OU, unless it stands there already. */
  add(lane: Lane): void {
    const lanes = this.#ous.get(lane.ou);
    if (lanes === undefined) this.#ous.set(lane.ou, new Set([lane]));
    else lanes.add(lane);
  }

  delete(lane: Lane): void {
    const lanes = this.#ous.get(lane.ou);
    if (lanes?.delete(lane) && lanes.size === 0) this.#ous.delete(lane.ou);
  }

  /** The first lane of the OU whose turn it is; the OU then stands behind the others. */
  take(): Lane | undefined {
    for (const [ou, lanes] of this.#ous) {
      const [lane] = lanes;
      lanes.delete(lane!);
      this.#ous.delete(ou);
      if (lanes.size > 0) this.#ous.set(ou, lanes);
      return lane;
    }
    return undefined;
  }
}
