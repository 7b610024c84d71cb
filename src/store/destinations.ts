import type { Destination } from '../model/destination.ts';
import { type Environment, packRow, type Table, unpackRow } from './environment.ts';
import { destinationOf } from './lanes.ts';

const ROW_VERSION = 1;

/** What was set of destinations: a pause, a rate. One without either has no row. Key: OU, id. */
export class DestinationStore {
  readonly #environment: Environment;
  readonly #table: Table;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#table = environment.table('destinations');
  }

  all(): Destination[] {
    return Array.from(this.#table.getRange(), ({ value }) => unpackRow<Destination>(value, [ROW_VERSION]));
  }

  readonly destinationOf = destinationOf;

  /** Resolves when it is on disk. */
  async put(destination: Destination): Promise<void> {
    const { ou, id, pause, ratePerSecond } = destination;
    await this.#environment.write(() => {
      if (pause === null && ratePerSecond === null) void this.#table.remove([ou, id]);
      else void this.#table.put([ou, id], packRow(ROW_VERSION, destination));
    });
    await this.#environment.flushed();
  }
}
