import type { Backfill } from '../model/backfill.ts';
import { type Environment, packRow, type Table, unpackRow } from './environment.ts';

const ROW_VERSION = 1;

/** The table of backfills, which changes of sequences are written to as well. */
export function backfillTable(environment: Environment): Table {
  return environment.table('backfills');
}

/** To be called within a step of the queue of writes. */
export function putBackfillRow(table: Table, backfill: Backfill): void {
  void table.put([backfill.ou, backfill.sequenceId], packRow(ROW_VERSION, backfill));
}

export function readBackfillRow(row: Uint8Array): Backfill {
  return unpackRow<Backfill>(row, [ROW_VERSION]);
}
