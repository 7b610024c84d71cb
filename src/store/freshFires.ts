import type { Reach } from '../model/checkpoint.ts';
import type { OuId } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import type { FireCommit, FireEntry, FireStore } from './fires.ts';

/** Fires that are remembered; the one that came first makes room. */
const FIRES_MAX = 2_048;

/**
 * Hands fires from their commit to their deliveries in memory, since most are sent within moments. What is not there,
 * after a restart or before a repetition, is read from the store. For deliveries alone: a fire may be remembered
 * after its row was removed, which only happens once none of its deliveries is due any more.
 */
export class FreshFires {
  readonly #fires: Pick<FireStore, 'commitFires' | 'fire'>;
  readonly #fresh = new Map<FireId, Fire>();

  constructor(fires: Pick<FireStore, 'commitFires' | 'fire'>) {
    this.#fires = fires;
  }

  /** As `FireStore.commitFires`. Those that are new are remembered when they are on disk. */
  commitFires(entries: readonly FireEntry[], reach: Reach | null = null): FireCommit {
    const { committed, flushed } = this.#fires.commitFires(entries, reach);
    const remembered = flushed.then((added) => {
      const fresh = new Set(added.map(({ fireId }) => fireId));
      for (const { fire } of entries) if (fresh.has(fire.id)) this.#remember(fire);
      return added;
    });
    // A caller may await `committed` only.
    remembered.catch(() => {});
    return { committed, flushed: remembered };
  }

  /** One fire of the OU; undefined also when it belongs to another OU. */
  fire(ou: OuId, id: FireId): Fire | undefined {
    const fresh = this.#fresh.get(id);
    return fresh?.ou === ou ? fresh : this.#fires.fire(ou, id);
  }

  #remember(fire: Fire): void {
    this.#fresh.set(fire.id, fire);
    if (this.#fresh.size <= FIRES_MAX) return;
    for (const oldest of this.#fresh.keys()) {
      this.#fresh.delete(oldest);
      return;
    }
  }
}
