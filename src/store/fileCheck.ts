import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from 'node:fs';

/**
 * Whether a file of LMDB can be read without harm. LMDB maps its file and believes it: a page that is cut off
 * or overwritten ends the process with SIGBUS or SIGSEGV, and a header that says nothing makes it start anew.
 * So the file is read page by page before it is opened, from the roots down, as LMDB's own mdb.c lays it out:
 *
 * - The meta pages 0 and 1, written in turn, hold the roots. The library keeps the last one that was flushed
 *   in the second half of page 0, and goes back to it after a restart of the machine.
 * - A page begins with its own number, the transaction, flags, and the bounds of its free space. Branch pages
 *   hold numbers of pages; leaf pages hold rows, of which some refer to overflow pages or to the root of a table.
 */

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 192;
const HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
/** Of a leaf's row: its value is a page number, or the root of a table. */
const LARGE_VALUE = 0x01;
const TABLE = 0x02;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
/** Read in one go: a call of the system costs more than the bytes. */
const WINDOW_BYTES = 2 ** 18;
/** How often a file that somebody writes to is read before the check is given up. */
const READS_MAX = 10;

/** What is wrong is not the bytes, and the message says all of it. */
class Unreadable extends Error {}

interface Meta {
  readonly pageBytes: number;
  readonly roots: readonly bigint[];
  readonly lastPage: number;
  readonly transaction: bigint;
  readonly bootId: bigint;
}

/**
 * Reads every page that is in use, again when somebody writes to the file meanwhile: pages that were free then
 * hold something else. Passes over one that is absent or empty.
 *
 * @throws Error of one line that names the file and what is wrong with it
 */
export function checkStoreFile(path: string): void {
  check(path, checkUnlessWritten);
}

/** Reads the meta pages only, which may be done while a program writes to the file. Throws as above. */
export function checkStoreHeader(path: string): void {
  check(path, (file) => readMeta(file, readMeta(file, 0).pageBytes));
}

function check(path: string, checkOpen: (file: number) => void): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return;
  const file = openSync(path, 'r');
  try {
    checkOpen(file);
  } catch (error) {
    if (error instanceof Unreadable) throw new Error(`${path} ${error.message}`);
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${path} is damaged: ${problem}. Nothing was changed; put a backup in its place, or move it away to start anew`,
    );
  } finally {
    closeSync(file);
  }
}

function checkUnlessWritten(file: number): void {
  for (let read = 1; read <= READS_MAX; read++) {
    const before = latestMeta(file);
    try {
      checkPages(file, before);
      return;
    } catch (error) {
      if (latestMeta(file).transaction === before.transaction) throw error;
    }
  }
  throw new Unreadable('cannot be checked, because another process writes to it all the time');
}

function latestMeta(file: number): Meta {
  const first = readMeta(file, 0);
  const second = readMeta(file, first.pageBytes);
  return first.transaction > second.transaction ? first : second;
}

function checkPages(file: number, latest: Meta): void {
  const flushed = readMeta(file, latest.pageBytes / 2, false);
  try {
    walk(file, latest);
  } catch (error) {
    if (latest.bootId === bootId() || flushed.transaction === 0n) throw error;
    // What a power cut tore is given up by the library, which goes back to what was flushed.
    walk(file, flushed);
  }
}

function readMeta(file: number, offset: number, isPage = true): Meta {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(file, bytes, 0, META_BYTES, offset) < META_BYTES) {
    // Not taken for absent: a copy that was cut off when a backup was put back looks the same.
    throw new Unreadable(
      'was never completed, as when the disk is full, and holds nothing: it ends in its header. Nothing was ' +
        'changed; remove it to start anew, or put a backup in its place',
    );
  }
  const body = bytes.subarray(HEADER_BYTES);
  if (isPage) {
    if ((bytes.readUInt16LE(18) & META) === 0 || body.readUInt32LE(0) !== MAGIC) {
      throw new Error('its header is not that of a store');
    }
    const version = body.readUInt32LE(4) & 0xffff;
    if (version !== DATA_VERSION) {
      throw new Error(`its format is ${version}, and this program reads ${DATA_VERSION}`);
    }
  }
  const meta = {
    pageBytes: body.readUInt32LE(24),
    roots: [body.readBigUInt64LE(64), body.readBigUInt64LE(112)],
    lastPage: Number(body.readBigUInt64LE(120)),
    transaction: body.readBigUInt64LE(128),
    bootId: body.readBigInt64LE(136),
  };
  if (isPage && !(meta.pageBytes >= 512 && meta.pageBytes <= 65_536)) {
    throw new Error('its header is not that of a store');
  }
  return meta;
}

/** Reads every page that is in use, one level of the trees after the other, and each in the order of the file. */
function walk(file: number, { pageBytes, roots, lastPage }: Meta): void {
  const pagesInFile = Math.floor(fstatSync(file).size / pageBytes);
  let pagesLeft = lastPage + 1;
  const pageAt = pageReader(file, pageBytes);
  const read = (number: bigint): Buffer => {
    if (number > BigInt(lastPage) || pagesLeft-- === 0) throw new Error(`it refers to a page ${number}`);
    if (number >= pagesInFile) throw new Error(`it ends before page ${number} of ${lastPage}`);
    const page = pageAt(Number(number));
    if (page.readBigUInt64LE(0) !== number) throw new Error(`page ${number} holds something else`);
    return page;
  };
  let level = roots.filter((root) => root !== NO_PAGE);
  while (level.length > 0) {
    const below: bigint[] = [];
    const overflows: bigint[] = [];
    for (const number of inOrder(level)) {
      const page = read(number);
      const flags = page.readUInt16LE(18);
      if ((flags & (BRANCH | LEAF)) === 0) throw new Error(`page ${number} holds something else`);
      for (const { isOverflow, target, pages } of references(page, (flags & BRANCH) !== 0, number)) {
        if (isOverflow && target + pages > pagesInFile) {
          throw new Error(`it ends before page ${target + pages - 1n}`);
        }
        (isOverflow ? overflows : below).push(target);
      }
    }
    for (const number of inOrder(overflows)) {
      if ((read(number).readUInt16LE(18) & OVERFLOW) === 0) {
        throw new Error(`page ${number} holds something else`);
      }
    }
    level = below;
  }
}

function inOrder(pages: readonly bigint[]): BigUint64Array {
  return BigUint64Array.from(pages).sort();
}

/** Gives pages of a file, each valid until the next. */
function pageReader(file: number, pageBytes: number): (number: number) => Buffer {
  const window = Buffer.alloc(Math.max(WINDOW_BYTES, pageBytes));
  let windowAt = 0;
  let windowBytes = 0;
  return (number) => {
    const at = number * pageBytes;
    if (at < windowAt || at + pageBytes > windowAt + windowBytes) {
      windowAt = at;
      windowBytes = readSync(file, window, 0, window.length, at);
    }
    return window.subarray(at - windowAt, at - windowAt + pageBytes);
  };
}

interface Reference {
  readonly target: bigint;
  readonly isOverflow: boolean;
  readonly pages: bigint;
}

/** What a branch or leaf page refers to, with its rows checked to lie within it. */
function references(page: Buffer, isBranch: boolean, number: bigint): Reference[] {
  const found: Reference[] = [];
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const bodyBytes = page.length - HEADER_BYTES;
  if (lower > upper || upper > bodyBytes) throw new Error(`page ${number} is inconsistent`);
  for (let index = 0; index < lower; index += 2) {
    const node = HEADER_BYTES + page.readUInt16LE(HEADER_BYTES + index);
    if (node + NODE_HEADER_BYTES > page.length) throw new Error(`page ${number} is inconsistent`);
    const low = page.readUInt32LE(node);
    const flags = page.readUInt16LE(node + 4);
    const value = node + NODE_HEADER_BYTES + page.readUInt16LE(node + 6);
    if (isBranch) {
      found.push({ target: BigInt(low) + (BigInt(flags) << 32n), isOverflow: false, pages: 1n });
      continue;
    }
    const isLarge = (flags & LARGE_VALUE) !== 0;
    if (value + (isLarge ? 24 : low) > page.length) throw new Error(`page ${number} is inconsistent`);
    if (isLarge) {
      const pages = page.readBigUInt64LE(value + 16);
      found.push({ target: page.readBigUInt64LE(value), isOverflow: true, pages });
    } else if ((flags & TABLE) !== 0) {
      const root = page.readBigUInt64LE(value + 40);
      if (root !== NO_PAGE) found.push({ target: root, isOverflow: false, pages: 1n });
    }
  }
  return found;
}

/** As the library keeps it in the meta pages: the first part of the system's id of this boot. */
function bootId(): bigint | null {
  try {
    const [first] = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').split('-');
    return BigInt(`0x${first}`);
  } catch {
    return null;
  }
}
