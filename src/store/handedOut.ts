import type { Delivery, DeliveryId } from '../model/delivery.ts';

/** Rows that are remembered. Above it all are forgotten, since some were handed out and never attempted. */
const ROWS_MAX = 8_192;

/**
 * Deliveries as they stand on disk, from when they were handed out to be attempted until their attempt is recorded,
 * so that recording need not read them again. Whatever else changes rows in between does so in `duringChange`.
 */
export class HandedOut {
  readonly #rows = new Map<DeliveryId, Delivery>();
  /** Changes that were asked for and are not committed: what is read meanwhile may be of before them. */
  #changes = 0;

  add(delivery: Delivery): void {
    if (this.#changes > 0) return;
    if (this.#rows.size >= ROWS_MAX) this.#rows.clear();
    this.#rows.set(delivery.id, delivery);
  }

  /** The row as it was handed out, once; undefined when it has to be read. */
  take(id: DeliveryId): Delivery | undefined {
    const delivery = this.#rows.get(id);
    this.#rows.delete(id);
    return delivery;
  }

  /**
   * Makes a change of rows.
   *
   * @param change resolves when it is committed; it calls `forget` within the transaction
   */
  async duringChange<T>(change: (forget: () => void) => Promise<T>): Promise<T> {
    this.#changes += 1;
    try {
      return await change(() => this.#rows.clear());
    } finally {
      this.#changes -= 1;
    }
  }
}
