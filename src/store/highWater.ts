import type { Reach, StreamMark } from '../model/checkpoint.ts';
import { packRow, type Table, unpackRow } from './environment.ts';

const ROW_VERSION = 1;
const KEY = ['high_water'];

/** How far into the stream anything on disk reaches that a message led to; null before the first. */
export function readHighWater(meta: Table): Reach | null {
  const row = meta.get(KEY);
  if (row === undefined) return null;
  // A row without a position was written before there was one; the next mark replaces it.
  const { position = 0, ...stream } = unpackRow<StreamMark & { position?: number }>(row, [ROW_VERSION]);
  return { position, stream };
}

/**
 * Notes how far what is written in the same transaction reaches. A replay writes again what lies before a mark
 * that stands, and that mark stays: what it speaks of is on disk. Where numbers mean something else than they
 * did (another stream, or an operator accepted one that counts anew), the old mark means nothing.
 */
export function raiseHighWater(meta: Table, reach: Reach): void {
  const before = readHighWater(meta);
  if (before !== null && before.position > reach.position && isNumberedAlike(before, reach)) return;
  void meta.put(KEY, packRow(ROW_VERSION, { ...reach.stream, position: reach.position }));
}

function isNumberedAlike(one: Reach, other: Reach): boolean {
  return (
    one.stream.name === other.stream.name &&
    one.stream.created === other.stream.created &&
    one.position - one.stream.sequence === other.position - other.stream.sequence
  );
}
