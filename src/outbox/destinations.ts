import type { Destination } from '../model/destination.ts';
import type { DestinationSettings } from './ports.ts';

/** Pauses and rates of destinations, by lane: read once, changed on disk first. */
export class Destinations {
  readonly #settings: DestinationSettings;
  readonly #laneOf: (destination: Destination) => string;
  readonly #byLane = new Map<string, Destination>();

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

  /** Resolves when it is on disk; it is in force from then on. */
  async set(destination: Destination): Promise<void> {
    await this.#settings.put(destination);
    const lane = this.#laneOf(destination);
    if (destination.pause === null && destination.ratePerSecond === null) this.#byLane.delete(lane);
    else this.#byLane.set(lane, destination);
  }
}
