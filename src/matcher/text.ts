/** Odd, so that multiplying loses nothing; the constant of MurmurHash2 (Austin Appleby, public domain). */
const MULTIPLIER = 0x5bd1e995;

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
  private readonly seed: number;

  /** @param seed of the hash. It is no secret key: whoever studies the hash can make texts that collide often. */
  constructor(seed: number) {
    this.seed = seed;
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

  private finish(): this {
    const { bytes, words, length, wordCount } = this;
    for (let at = length; (at & 3) !== 0; at++) bytes[at] = 0;
    let hash = this.seed ^ length;
    for (let word = 0; word < wordCount; word++) {
      hash = Math.imul(hash ^ words[word]!, MULTIPLIER);
      hash ^= hash >>> 15;
    }
    this.hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
    this.hash ^= this.hash >>> 16;
    return this;
  }

  private grow(bytes: number): void {
    this.bytes = new Uint8Array(((bytes * 2) >>> 2) << 2);
    this.words = new Int32Array(this.bytes.buffer);
  }
}

/** The string that UTF-8 bytes at a place spell. */
export function textAt(bytes: Uint8Array, at: number, length: number): string {
  return decoder.decode(bytes.subarray(at, at + length));
}
