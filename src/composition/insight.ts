import type { InsightPort } from '../api/ports.ts';
import { ProgressReader } from '../engine/progress.ts';
import type { Sequence } from '../model/sequence.ts';
import type { AsOf } from '../model/standing.ts';
import type { Core } from './core.ts';

const NOT_IN_FORCE = { unavailable: 'this version of the sequence is not in force yet' };

/** How far leads are, as the API asks for it. */
export function insightPort(core: Pick<Core, 'catalog' | 'matcher' | 'engine'>): InsightPort {
  const { catalog, matcher, engine } = core;
  const { backfills } = catalog;
  const asOf = (): AsOf => ({ position: engine.position, clockMicros: matcher.clockMicros });
  const reader = new ProgressReader(matcher.insight, asOf);
  /** In a replay the matcher may have an earlier version than the one that users see, and leads stand as of then. */
  const isInForce = ({ ou, id, version }: Sequence): boolean =>
    catalog.effectiveSequence(ou, id)?.version === version;
  return {
    progress: async (sequence) => {
      if (!isInForce(sequence)) return NOT_IN_FORCE;
      if (!engine.isLoaded) return { unavailable: 'the lead states are being loaded' };
      if (backfills.isMerging(sequence.ou) && !(await backfills.settled(sequence.ou))) {
        return { unavailable: 'a backfill is being added to the leads' };
      }
      const progress = await reader.read(sequence);
      if (progress === 'busy') return { unavailable: 'too many sequences are being counted' };
      if (progress === 'not_in_force') return NOT_IN_FORCE;
      return progress;
    },
    leadStanding: (sequence, leadId) => {
      if (!isInForce(sequence)) return NOT_IN_FORCE;
      const { ou, id } = sequence;
      engine.bring(ou, leadId);
      const standing = matcher.insight.leadStanding(ou, leadId, id);
      return standing === undefined ? NOT_IN_FORCE : { standing, asOf: asOf() };
    },
  };
}
