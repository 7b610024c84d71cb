import { type Environment, packRow, type Table, unpackRow } from './environment.ts';

const ROW_VERSION = 1;
/** What a row and its place in the index take beside the answer itself. */
const BYTES_PER_ROW = 256;
const LAST_MS = Number.MAX_SAFE_INTEGER;

/** Under what an answer is kept. */
export interface Place {
  readonly tokenId: string;
  readonly key: string;
}
export interface Answer {
  readonly fingerprint: string;
  readonly freshId: string;
  readonly sealed: Uint8Array | null;
}
export interface AnswerRow extends Answer {
  readonly atMs: number;
}

/**
 * The rows of answers, for the steps that write them. Table `answers` has an answer under [token id, key], and under
 * [token id] how many bytes the token has in all; `answer_times` has [token id, time, key].
 */
export class AnswerRows {
  readonly #answers: Table;
  readonly #times: Table;

  constructor(environment: Environment) {
    this.#answers = environment.table('answers');
    this.#times = environment.table('answer_times');
  }

  get({ tokenId, key }: Place): AnswerRow | undefined {
    const row = this.#answers.get([tokenId, key]);
    return row === undefined ? undefined : unpackRow<AnswerRow>(row, [ROW_VERSION]);
  }

  put(place: Place, row: AnswerRow): void {
    this.remove(place);
    const { tokenId, key } = place;
    void this.#answers.put([tokenId, key], packRow(ROW_VERSION, row));
    void this.#times.put([tokenId, row.atMs, key], packRow(ROW_VERSION, null));
    this.#addBytes(tokenId, sizeOf(row));
  }

  remove(place: Place): void {
    const row = this.get(place);
    if (row === undefined) return;
    const { tokenId, key } = place;
    void this.#answers.remove([tokenId, key]);
    void this.#times.remove([tokenId, row.atMs, key]);
    this.#addBytes(tokenId, -sizeOf(row));
  }

  /**
   * Removes the answers of a token from before a time, and the oldest of the others until so many bytes have room
   * within the maximum; at most so many.
   *
   * @returns how many are gone
   */
  removeOldest(
    tokenId: string,
    until: { readonly beforeMs: number; readonly bytesNeeded: number; readonly bytesMax: number },
    countMax: number,
  ): number {
    let removed = 0;
    while (removed < countMax) {
      const oldest = this.#oldest(tokenId);
      if (oldest === undefined) break;
      const hasRoom = this.#bytesOf(tokenId) + until.bytesNeeded <= until.bytesMax;
      if (oldest.atMs >= until.beforeMs && hasRoom) break;
      this.remove(oldest.place);
      removed++;
    }
    return removed;
  }

  /** The tokens that have answers. */
  tokens(): readonly string[] {
    const tokens: string[] = [];
    for (let start: (string | number)[] = []; ; ) {
      const [next] = Array.from(this.#times.getKeys({ start, limit: 1 }));
      if (next === undefined) return tokens;
      const tokenId = String(next[0]);
      tokens.push(tokenId);
      start = [tokenId, LAST_MS];
    }
  }

  #oldest(tokenId: string): { readonly place: Place; readonly atMs: number } | undefined {
    const range = { start: [tokenId], end: [tokenId, LAST_MS], limit: 1 };
    const [first] = Array.from(this.#times.getKeys(range));
    return first && { place: { tokenId, key: String(first[2]) }, atMs: Number(first[1]) };
  }

  #bytesOf(tokenId: string): number {
    const row = this.#answers.get([tokenId]);
    return row === undefined ? 0 : unpackRow<number>(row, [ROW_VERSION]);
  }

  #addBytes(tokenId: string, change: number): void {
    const bytes = this.#bytesOf(tokenId) + change;
    if (bytes === 0) void this.#answers.remove([tokenId]);
    else void this.#answers.put([tokenId], packRow(ROW_VERSION, bytes));
  }
}

/** What a row counts for. */
export function sizeOf({ sealed }: Answer): number {
  return BYTES_PER_ROW + (sealed?.length ?? 0);
}
