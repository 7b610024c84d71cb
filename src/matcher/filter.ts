/** The bit of a key in a filter, 0 to 62, since edges use the last bit for something else: the highest bits of a multiplicative hash (Knuth 6.4). */
export function filterBit(key: number): number {
  const bit = Math.imul(key, 0x9e3779b1) >>> 26;
  return bit === 63 ? 62 : bit;
}
