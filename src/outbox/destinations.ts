import type { Destination } from '../model/destination.ts';
import type { DestinationSettings } from './ports.ts';

export interface Changed {
  readonly before: Destination;
  readonly after: Destination;
}

/** Pauses and rates of destinations, by lane: read once, changed on disk first. */
export class Destinations {
  readonly #settings: DestinationSettings;
  readonly #laneOf: (destination: Destination) => string;
  readonly #byLane = new Map<string, Destination>();
  #last: Promise<void> = Promise.resolve();

  constructor(settings: DestinationSettings, laneOf: (destination: Destination) => string) {
    this.#settings = settings;
    this.#laneOf = laneOf;
    for (const destination of settings.all()) this.#byLane.set(laneOf(destination), destination);
  }

  /** What was set of the destination of a lane; undefined where nothing was. */
  at(lane: string): Destination | undefined {
    return this.#byLane.get(lane);
  }

  /** Those of which anything was set. */
  all(): Iterable<Destination> {
    return this.#byLane.values();
  }

  /** Resolves when the changes that were asked for so far are made. */
  settled(): Promise<void> {
    return this.#last;
  }

  /**
   * Changes what is set of a destination, after the changes that were asked for before. Resolves when it is on disk;
   * it is in force from then on.
   *
   * @param unset the destination with nothing set
   */
  change(unset: Destination, change: (current: Destination) => Destination): Promise<Changed> {
    const lane = this.#laneOf(unset);
    const changed = this.#last.then(async () => {
      const before = this.#byLane.get(lane) ?? unset;
      const after = change(before);
      if (after !== before) await this.#settings.put(after);
      if (after.pause === null && after.ratePerSecond === null) this.#byLane.delete(lane);
      else this.#byLane.set(lane, after);
      return { before, after };
    });
    this.#last = changed.then(
      () => undefined,
      () => undefined,
    );
    return changed;
  }
}
