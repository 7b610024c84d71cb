import { setImmediate as nextLoop } from 'node:timers/promises';
import type { LeadHandle, LeadKey, Matcher } from '../matcher/matcher.ts';
import { PARTITIONS, partitionOf } from '../model/partition.ts';

/** Leads put into their partitions before other work gets its chance: a few milliseconds. */
const LEADS_PER_SLICE = 5_000;

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
  const partitions = Array.from({ length: PARTITIONS }, (): LeadHandle[] => []);
  for (let from = 0; from < handles.length; from += LEADS_PER_SLICE) {
    for (const handle of handles.slice(from, from + LEADS_PER_SLICE)) {
      const key = matcher.keyOf(handle);
      if (key !== undefined) partitions[partitionOf(key.leadId)]!.push(handle);
    }
    if (from + LEADS_PER_SLICE < handles.length) await nextLoop();
  }
  let turn: LeadHandle[] = [];
  for (const partition of partitions) {
    for (const handle of sorted(matcher, partition)) {
      turn.push(handle);
      if (turn.length < leadsPerTurn) continue;
      yield turn;
      turn = [];
    }
  }
  if (turn.length > 0) yield turn;
}

/** Keys exist for one partition at a time: those of a million leads would be a burden to the collector. */
function sorted(matcher: Matcher, handles: readonly LeadHandle[]): LeadHandle[] {
  const placed: [LeadKey, LeadHandle][] = [];
  for (const handle of handles) {
    const key = matcher.keyOf(handle);
    if (key !== undefined) placed.push([key, handle]);
  }
  return placed.sort(([a], [b]) => compare(a, b)).map(([, handle]) => handle);
}

function compare(a: LeadKey, b: LeadKey): number {
  if (a.ou !== b.ou) return a.ou < b.ou ? -1 : 1;
  return a.leadId < b.leadId ? -1 : 1;
}
