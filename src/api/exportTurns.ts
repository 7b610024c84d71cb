import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OuId } from '../model/event.ts';
import { Problem } from './problem.ts';

/** An export lasts for as long as its client takes, so an OU whose clients stand still may not have any number. */
export const EXPORTS_PER_OU_MAX = 4;
const RETRY_AFTER_SECONDS = 5;

/** Which OUs have exports under way, and which export reads next. */
export class ExportTurns {
  readonly #countByOu = new Map<OuId, number>();
  #last: Promise<unknown> = Promise.resolve();

  /** Counts one more, until `end`. Throws a 429 where the OU has as many as it may have. */
  begin(ou: OuId): void {
    const count = this.#countByOu.get(ou) ?? 0;
    if (count >= EXPORTS_PER_OU_MAX) throw tooMany();
    this.#countByOu.set(ou, count + 1);
  }

  end(ou: OuId): void {
    const count = this.#countByOu.get(ou) ?? 0;
    if (count > 1) this.#countByOu.set(ou, count - 1);
    else this.#countByOu.delete(ou);
  }

  /** Resolves in a later turn of the event loop, in each for one export: whatever else there is to do comes between. */
  next(): Promise<unknown> {
    this.#last = this.#last.then(() => nextTurn());
    return this.#last;
  }
}

function tooMany(): Problem {
  const detail = `${EXPORTS_PER_OU_MAX} exports of the organizational unit are under way, as many as it may have; wait until one has ended.`;
  return new Problem(429, detail, { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } });
}
