import { setImmediate as nextLoop } from 'node:timers/promises';
import type { LeadHandle, LeadKey, Matcher } from '../matcher/matcher.ts';
import { PARTITIONS, partitionOf } from '../model/partition.ts';

/** Leads put into their partitions before other work gets its chance: a few milliseconds. */
const LEADS_PER_SLICE = 5_000;

interface Placed {
  readonly handle: LeadHandle;
  readonly key: LeadKey;
}

/**
 * Gives the leads in the order in which they lie on disk, so many at a time; those forgotten by now are left
 * out. Leads that lie together share pages: written in the order in which they changed, each would cost a page
 * of its own and the branch pages above it.
 */
export async function* inWritingOrder(
  matcher: Matcher,
  handles: readonly LeadHandle[],
  leadsPerTurn: number,
): AsyncGenerator<readonly LeadHandle[]> {
  const partitions = Array.from({ length: PARTITIONS }, (): Placed[] => []);
  for (let from = 0; from < handles.length; from += LEADS_PER_SLICE) {
    for (const handle of handles.slice(from, from + LEADS_PER_SLICE)) {
      const key = matcher.keyOf(handle);
      if (key !== undefined) partitions[partitionOf(key.leadId)]!.push({ handle, key });
    }
    if (from + LEADS_PER_SLICE < handles.length) await nextLoop();
  }
  let turn: LeadHandle[] = [];
  for (const partition of partitions) {
    for (const { handle } of partition.sort(byKey)) {
      turn.push(handle);
      if (turn.length < leadsPerTurn) continue;
      yield turn;
      turn = [];
    }
  }
  if (turn.length > 0) yield turn;
}

function byKey({ key: a }: Placed, { key: b }: Placed): number {
  if (a.ou !== b.ou) return a.ou < b.ou ? -1 : 1;
  return a.leadId < b.leadId ? -1 : 1;
}
