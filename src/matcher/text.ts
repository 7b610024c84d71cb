/** Of the finalizer of MurmurHash3 (Austin Appleby, public domain); odd, so that multiplying loses nothing. */
const MULTIPLIER = 0x85ebca6b;
const NEXT_MULTIPLIER = 0xc2b2ae35;
/** As many words as the longest lead id has: only event ids may take the keys in turn. */
const KEYS = 64;

/** 2^32 divided by the golden ratio: no two multiples are near each other. */
const SPREAD = 0x9e3779b1;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * One string at a time as UTF-8, padded with zero bytes to whole words, with a hash. Strings that are to stay
 * are copied from here to where they are kept, so that the garbage collector never sees them grow old.
 */
export class Text {
  bytes = new Uint8Array(256);
  /** The same bytes as 32-bit words, for comparing four at a time. */
  words = new Int32Array(this.bytes.buffer);
  length = 0;
  hash = 0;
  private readonly keys: Int32Array;

  /** @param seed of the hash, which who chooses texts must not know */
  constructor(seed: number) {
    this.keys = Int32Array.from({ length: KEYS + 1 }, (_, index) => mix(seed + Math.imul(index + 1, SPREAD)));
  }

  get wordCount(): number {
    return (this.length + 3) >>> 2;
  }

  set(text: string): this {
    const { length } = text;
    if (this.bytes.length < length + 4) this.grow(length + 4);
    const { bytes } = this;
    for (let at = 0; at < length; at++) {
      const code = text.charCodeAt(at);
      if (code > 0x7f) return this.setUnicode(text);
      bytes[at] = code;
    }
    this.length = length;
    return this.finish();
  }

  /** Takes bytes of UTF-8. */
  setBytes(from: Uint8Array, at: number, length: number): this {
    if (this.bytes.length < length + 4) this.grow(length + 4);
    const { bytes } = this;
    // Ids are short: a loop is faster than a call of the engine.
    for (let offset = 0; offset < length; offset++) bytes[offset] = from[at + offset]!;
    this.length = length;
    return this.finish();
  }

  /** Copies the words, padding included, to a place that has room for them. */
  copyTo(target: Int32Array, at: number): void {
    const { words, wordCount } = this;
    for (let word = 0; word < wordCount; word++) target[at + word] = words[word]!;
  }

  /** Whether the same words, padding included, stand at a place. */
  equals(other: Int32Array, at: number): boolean {
    const { words, wordCount } = this;
    for (let word = 0; word < wordCount; word++) if (other[at + word] !== words[word]) return false;
    return true;
  }

  private setUnicode(text: string): this {
    const bytesMax = text.length * 3 + 4;
    if (this.bytes.length < bytesMax) this.grow(bytesMax);
    this.length = encoder.encodeInto(text, this.bytes).written;
    return this.finish();
  }

  /**
   * The hash is NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC", 1999) over halves of words, twice, the
   * second time with the keys moved on by one. Of texts that were chosen without knowing the keys, at most one key in
   * 2^32 gives two the same pair of sums, whatever they have in common.
   */
  private finish(): this {
    const { bytes, words, length, wordCount, keys } = this;
    for (let at = length; (at & 3) !== 0; at++) bytes[at] = 0;
    let one = length;
    let two = 0;
    let key = keys[0]!;
    for (let at = 0; at < wordCount; at++) {
      const word = words[at]!;
      const nextKey = keys[(at & (KEYS - 1)) + 1]!;
      one = (one + product(word, key)) | 0;
      two = (two + product(word, nextKey)) | 0;
      key = nextKey;
      if ((at & (KEYS - 1)) === KEYS - 1) {
        one = mix(one);
        two = mix(two);
      }
    }
    this.hash = mix(mix(one) + two);
    return this;
  }

  private grow(bytes: number): void {
    this.bytes = new Uint8Array(((bytes * 2) >>> 2) << 2);
    this.words = new Int32Array(this.bytes.buffer);
  }
}

/** Of the halves of a word, each with that of the key added to it. */
function product(word: number, key: number): number {
  return Math.imul((word + key) & 0xffff, ((word >>> 16) + (key >>> 16)) & 0xffff);
}

function mix(sum: number): number {
  let hash = Math.imul(sum ^ (sum >>> 16), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), NEXT_MULTIPLIER);
  return hash ^ (hash >>> 16);
}

/** The string that UTF-8 bytes at a place spell. */
export function textAt(bytes: Uint8Array, at: number, length: number): string {
  return decoder.decode(bytes.subarray(at, at + length));
}
