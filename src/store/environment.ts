import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { Packr } from 'msgpackr';
import { freeBytes, makeDirectory, ROOM_BYTES_MIN } from './dataDirectory.ts';
import { checkStoreFile, checkStoreHeader } from './fileCheck.ts';
import { type WriteOptions, WriteQueue } from './writeQueue.ts';

/**
 * Address space to reserve. Beyond it the library grows the map by itself, which leaves stale mappings behind
 * until the next start.
 */
export const MAP_BYTES = 16 * 2 ** 30;

type Key = Array<string | number>;
export type Table = Database<Buffer, Key>;
export type BytesTable = Database<Uint8Array, Buffer>;

/**
 * The one LMDB environment of the process. Every table maps an ordered-binary array key to bytes that we
 * encode ourselves (`packRow`), so that the format on disk does not depend on what the vendor library bundles.
 */
export interface Environment {
  readonly root: RootDatabase;
  table(name: string): Table;
  /**
   * A table for many rows that are read from end to end. Its keys are bytes too: array keys do not escape NUL
   * in long strings, so they cannot hold any text. A value that was read is valid until the next is read.
   */
  bytesTable(name: string): BytesTable;
  /** The way to write: in order, each step whole or not at all. Resolves when committed; see WriteQueue. */
  write<T>(step: () => T, options?: WriteOptions): Promise<T>;
  /** Resolves when every write committed so far is on disk, not merely visible. */
  flushed(): Promise<void>;
  /** Why writes wait, in a sentence; null while they do not. */
  trouble(): string | null;
  /** Resolves when the store can be written no more until it is opened again. */
  readonly failed: Promise<Error>;
  /** From now on what cannot be written at once is rejected, so that the program can stop. */
  abandonWrites(): void;
  close(): Promise<void>;
}

/**
 * Opens `<dataDir>/lmdb`, creating it when absent.
 *
 * @param onTrouble told when writes begin to wait, for room on the disk say, and when they go on; without it
 *   what cannot be written is rejected
 * @throws Error in one line when the file is not one of LMDB; it stays as it is then
 */
export function openEnvironment(dataDir: string, onTrouble?: (trouble: string | null) => void): Environment {
  const path = join(dataDir, 'lmdb');
  makeDirectory(path);
  const file = join(path, 'data.mdb');
  if (existsSync(file)) checkStoreHeader(file);
  else refuseWithoutRoom(path);
  // The queue groups writes itself. The library's grouping makes promises that nobody can listen to, and that
  // end the process when a transaction fails.
  const options = { mapSize: MAP_BYTES, maxDbs: 32, noSubdir: false, eventTurnBatching: false };
  const root = open({ path, encoding: 'binary', ...options });
  const queue = new WriteQueue(root, path, onTrouble);
  return {
    root,
    write: (step, options) => queue.write(step, options),
    flushed: () => queue.flushed(),
    trouble: () => queue.trouble,
    failed: queue.failed,
    abandonWrites: () => queue.abandon(),
    table: (name) => root.openDB({ name, encoding: 'binary' }) as unknown as Table,
    bytesTable: (name) => {
      // The library's types do not know `encoder`, which its documentation offers.
      const options: object = { encoder: SHARED_BYTES, keyEncoding: 'binary' };
      return root.openDB(name, options) as unknown as BytesTable;
    },
    close: () => queue.close(),
  };
}

/**
 * Reads the whole file in `<dataDir>/lmdb` before it is opened, because LMDB would end the process on a damaged
 * page. Nobody may work on the directory. Throws Error in one line.
 */
export function checkEnvironment(dataDir: string): void {
  checkStoreFile(join(dataDir, 'lmdb', 'data.mdb'));
}

/** Without room for the first pages of a new file LMDB ends the process by a signal. */
function refuseWithoutRoom(path: string): void {
  const bytes = freeBytes(path);
  if (bytes >= ROOM_BYTES_MIN) return;
  throw new Error(
    `a new store at ${path} needs ${ROOM_BYTES_MIN} bytes on the disk, which has ${bytes} left`,
  );
}

/** Giving each row memory of its own is most of the time of reading a million of them. */
const SHARED_BYTES = {
  encode: (row: Uint8Array) => row,
  /** `shared` is overwritten by the next row; its `length` is that of this row, its memory is longer. */
  decode: (shared: Buffer) => new Uint8Array(shared.buffer, shared.byteOffset, shared.length),
};

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });

/** A row on disk: one version byte, then MessagePack. */
export function packRow(version: number, value: unknown): Buffer {
  const packed = packr.pack(value);
  const row = Buffer.allocUnsafe(packed.length + 1);
  row[0] = version;
  packed.copy(row, 1);
  return row;
}

/** Reads a row written by `packRow`. Throws on a version other than those given. */
export function unpackRow<T>(row: Uint8Array, versions: readonly number[]): T {
  const version = row[0];
  if (version === undefined || !versions.includes(version)) {
    throw new Error(`a stored row has version ${version}; this program reads ${versions.join(', ')}`);
  }
  return packr.unpack(row, { start: 1, end: row.length }) as T;
}
