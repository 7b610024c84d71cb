import type { LeadId } from './event.ts';

export const PARTITIONS = 256;

const encoder = new TextEncoder();

/**
 * FNV-1a 32 of the lead id's UTF-8 bytes, modulo 256: the unit in which leads could move between machines,
 * and the first byte of a lead's key on disk, so that leads of one partition lie together there.
 */
export function partitionOf(leadId: LeadId): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < leadId.length; at++) {
    const code = leadId.charCodeAt(at);
    // Of ASCII, which most ids are, the codes are the bytes.
    if (code > 0x7f) return hashOf(encoder.encode(leadId)) % PARTITIONS;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return (hash >>> 0) % PARTITIONS;
}

function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
