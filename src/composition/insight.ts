import type { InsightPort } from '../api/ports.ts';
import { ProgressReader } from '../engine/progress.ts';
import type { AsOf } from '../model/standing.ts';
import type { Core } from './core.ts';

/** How far leads are, as the API asks for it. */
export function insightPort({
  matcher,
  engine,
  catalog,
}: Pick<Core, 'matcher' | 'engine' | 'catalog'>): InsightPort {
  const asOf = (): AsOf => ({ position: engine.position, clockMicros: matcher.clockMicros });
  const reader = new ProgressReader(matcher.insight, asOf);
  return {
    progress: async (sequence) => {
      const { backfills } = catalog;
      if (backfills.isMerging(sequence.ou) && !(await backfills.settled(sequence.ou))) {
        return { unavailable: 'a backfill is being added to the leads' };
      }
      const progress = await reader.read(sequence);
      if (progress === 'busy') return { unavailable: 'too many sequences are being counted' };
      if (progress === 'not_in_force') return { unavailable: 'the sequence is not in force yet' };
      return progress;
    },
    leadStanding: ({ ou, id }, leadId) => {
      catalog.backfills.catchUp(ou, leadId);
      const standing = matcher.insight.leadStanding(ou, leadId, id);
      if (standing === undefined) return { unavailable: 'the sequence is not in force yet' };
      return { standing, asOf: asOf() };
    },
  };
}
