/** Cells per chunk, as a shift: an address is the number of a chunk and, in these lowest bits, of a cell in it. */
const CHUNK_SHIFT = 15;
const CHUNK_CELLS = 1 << CHUNK_SHIFT;
const CELL_MASK = CHUNK_CELLS - 1;
/** The first chunk is smaller, each next one twice as large, so that a small matcher stays small. */
const FIRST_CHUNK_CELLS = 1 << 9;
/** A larger block gets a chunk of its own: a lead with many times the events that others have. */
const SHARED_BLOCK_CELLS_MAX = 1 << 13;
const CHUNKS_MAX = 1 << (31 - CHUNK_SHIFT);

/** A piece of memory outside the garbage-collected heap, as the number types that live in it. */
export interface Chunk {
  readonly floats: Float64Array;
  readonly ints: Int32Array;
  readonly bytes: Uint8Array;
}

/** Where no block lies. */
export const NOWHERE = 0;

/** A chunk with nothing in it, for what points nowhere. */
export const NO_CHUNK: Chunk = chunkOf(0);

/**
 * Memory in blocks of whole cells, outside the garbage-collected heap: millions of small things that change
 * all the time cost the collector nothing, and a block lies in as few cache lines as its size allows.
 *
 * Free blocks are kept in one list per size and never joined (a segregated fit, as Knuth's "The Art of
 * Computer Programming" 2.5 discusses); sizes grow by a quarter at most, so that a block is at most a quarter
 * larger than asked for. Chunks are never moved or copied, so that growing takes no pause. What was handed
 * out once stays with the arena, except for blocks with a chunk of their own.
 *
 * There are 65,536 chunks at most: 2^31 cells in small blocks, or so many large blocks.
 */
export class Arena {
  private readonly cellBytes: number;
  private readonly chunks: (Chunk | undefined)[] = [];
  private readonly vacantChunks: number[] = [];
  /** Per size, the first free block; each free block starts with the address of the next. */
  private readonly freeBySize: number[] = [];
  private openChunk = 0;
  private nextCell = 0;
  private openCells = 0;

  /** @param cellBytes a power of two, 8 or more: the unit of sizes and of alignment. */
  constructor(cellBytes: number) {
    this.cellBytes = cellBytes;
    this.openSharedChunk();
    // Address 0 is NOWHERE.
    this.nextCell = 1;
  }

  /** The chunk that a block lies in. */
  chunk(address: number): Chunk {
    return this.chunks[address >>> CHUNK_SHIFT]!;
  }

  /** Where in its chunk a block begins, in cells. */
  cell(address: number): number {
    return address & CELL_MASK;
  }

  /** How many cells a block has that is asked for with so many. */
  fit(cells: number): number {
    if (cells <= 8 || cells > SHARED_BLOCK_CELLS_MAX) return cells;
    const shift = 29 - Math.clz32(cells - 1);
    return (((cells - 1) >>> shift) + 1) << shift;
  }

  /** A block of at least so many cells, with whatever content. */
  allocate(cells: number): number {
    if (cells > SHARED_BLOCK_CELLS_MAX) return this.addChunk(cells) << CHUNK_SHIFT;
    const size = sizeOf(cells);
    const free = this.freeBySize[size] ?? NOWHERE;
    if (free !== NOWHERE) {
      this.freeBySize[size] = this.chunk(free).ints[(this.cell(free) * this.cellBytes) >>> 2]!;
      return free;
    }
    const fitted = this.fit(cells);
    if (this.nextCell + fitted > this.openCells) {
      this.freeRest();
      this.openSharedChunk(fitted);
    }
    const address = (this.openChunk << CHUNK_SHIFT) | this.nextCell;
    this.nextCell += fitted;
    return address;
  }

  /** Gives a block back; `cells` as it was asked for, or what `fit` made of that. */
  free(address: number, cells: number): void {
    if (cells > SHARED_BLOCK_CELLS_MAX) {
      const chunk = address >>> CHUNK_SHIFT;
      this.chunks[chunk] = undefined;
      this.vacantChunks.push(chunk);
      return;
    }
    const size = sizeOf(cells);
    this.chunk(address).ints[(this.cell(address) * this.cellBytes) >>> 2] = this.freeBySize[size] ?? NOWHERE;
    this.freeBySize[size] = address;
  }

  /** What is left of the open chunk becomes free blocks, each as large as a size can be. */
  private freeRest(): void {
    while (this.nextCell < this.openCells) {
      const rest = this.openCells - this.nextCell;
      const shift = rest <= 8 ? 0 : 29 - Math.clz32(rest);
      const cells = Math.min((rest >>> shift) << shift, SHARED_BLOCK_CELLS_MAX);
      this.free((this.openChunk << CHUNK_SHIFT) | this.nextCell, cells);
      this.nextCell += cells;
    }
  }

  private openSharedChunk(cellsMin = 0): void {
    do {
      this.openCells = Math.min(CHUNK_CELLS, Math.max(FIRST_CHUNK_CELLS, this.openCells * 2));
    } while (this.openCells < cellsMin);
    this.openChunk = this.addChunk(this.openCells);
    this.nextCell = 0;
  }

  private addChunk(cells: number): number {
    const chunk = this.vacantChunks.pop() ?? this.chunks.length;
    if (chunk >= CHUNKS_MAX) throw new Error(`an arena holds at most ${CHUNKS_MAX} chunks`);
    this.chunks[chunk] = chunkOf(cells * this.cellBytes);
    return chunk;
  }
}

/** Numbers the sizes: 1 to 8 cells, then four sizes for each doubling. */
function sizeOf(cells: number): number {
  if (cells <= 8) return cells;
  const shift = 29 - Math.clz32(cells - 1);
  return 1 + 4 * shift + ((cells - 1) >>> shift);
}

function chunkOf(bytes: number): Chunk {
  const buffer = new ArrayBuffer(bytes);
  return { floats: new Float64Array(buffer), ints: new Int32Array(buffer), bytes: new Uint8Array(buffer) };
}
