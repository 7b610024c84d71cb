import type { Delivery, DeliveryId } from '../model/delivery.ts';

/** Places for rows, a power of two; so many are remembered at most. */
const PLACES = 16_384;
/** Of the end of an id, each of which is a hexadecimal digit. */
const DIGITS = 4;

/**
 * Deliveries as they stand on disk, from when they were handed out to be attempted until their attempt is recorded,
 * so that recording need not read them again. Whatever else changes rows in between does so in `duringChange`.
 *
 * Each row has one place, by its id, and a later one of the same place takes it. A Map would do as well, but for the
 * garbage: a table that it has outgrown points to the next, and keeps the rows that lay in it from the collector of
 * the young.
 */
export class HandedOut {
  readonly #rows = new Array<Delivery | undefined>(PLACES).fill(undefined);
  /** Changes that were asked for and are not committed: what is read meanwhile may be of before them. */
  #changes = 0;

  add(delivery: Delivery): void {
    if (this.#changes === 0) this.#rows[placeOf(delivery.id)] = delivery;
  }

  /** The row as it was handed out, once; undefined when it has to be read. */
  take(id: DeliveryId): Delivery | undefined {
    const place = placeOf(id);
    const delivery = this.#rows[place];
    if (delivery?.id !== id) return undefined;
    this.#rows[place] = undefined;
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
      return await change(() => this.#rows.fill(undefined));
    } finally {
      this.#changes -= 1;
    }
  }
}

/** Ids end with a digest, so that its last digits spread them. */
function placeOf(id: DeliveryId): number {
  let place = 0;
  for (let at = Math.max(0, id.length - DIGITS); at < id.length; at += 1) {
    const code = id.charCodeAt(at);
    // The value of a digit: letters begin 9 behind a multiple of 16.
    place = place * 16 + ((code + (code >= 64 ? 9 : 0)) % 16);
  }
  return place % PLACES;
}
