import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import { Packr } from 'msgpackr';
import { makeDirectory } from './dataDirectory.ts';

/** Address space to reserve. Growing a map while it is open leaves stale mappings behind, so it is set once. */
const MAP_BYTES = 16 * 2 ** 30;

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
  /** Resolves when every write committed so far is on disk, not merely visible. */
  flushed(): Promise<void>;
  close(): Promise<void>;
}

/** Opens `<dataDir>/lmdb`, creating it when absent. Throws when the files are not a readable environment. */
export function openEnvironment(dataDir: string): Environment {
  const path = join(dataDir, 'lmdb');
  makeDirectory(path);
  const root = open({ path, mapSize: MAP_BYTES, maxDbs: 32, encoding: 'binary', noSubdir: false });
  return {
    root,
    table: (name) => root.openDB({ name, encoding: 'binary' }) as unknown as Table,
    bytesTable: (name) => {
      // The library's types do not know `encoder`, which its documentation offers.
      const options: object = { encoder: SHARED_BYTES, keyEncoding: 'binary' };
      return root.openDB(name, options) as unknown as BytesTable;
    },
    flushed: async () => {
      await root.flushed;
    },
    close: () => root.close(),
  };
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
  return packr.unpack(row.subarray(1)) as T;
}
