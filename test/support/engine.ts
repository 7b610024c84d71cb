import { Catalog } from '../../src/engine/catalog.ts';
import { Engine, type EngineOptions } from '../../src/engine/engine.ts';
import type { GroupCounts, LoggerPort } from '../../src/engine/ports.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { MatcherLimits } from '../../src/matcher/settings.ts';
import type { FeedMessage } from '../../src/model/event.ts';
import type { SimulatedStore } from './simulatedStore.ts';

export const OU = 'acme';
const EPOCH_MICROS = 1_700_000_000_000_000;
const HOUR_MICROS = 3_600_000_000;
const LIMITS: MatcherLimits = { allowedLatenessMicros: 1e6, futureSkewMicros: 1e6, heldEventsMax: 100 };
const SILENT: LoggerPort = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A place in a stream that was never read before. */
export const START = { streamName: 'EVENTS', streamCreated: 'then', startSequence: 1, renumbered: false };

/** An event of `acme` that comes so many hours after the first of all, and a little later for its place in the stream. */
export function message(streamSequence: number, leadId: string, type = 'signup', hours = 0): FeedMessage {
  const arrivalMicros = EPOCH_MICROS + hours * HOUR_MICROS + streamSequence;
  const id = `${leadId}-${type}-${streamSequence}`;
  return {
    streamSequence,
    arrivalMicros,
    ou: OU,
    subject: `events.${OU}`,
    data: Buffer.from(id),
    decoded: {
      event: { ou: OU, leadId, id, type, timeMicros: arrivalMicros, streamSequence, arrivalMicros },
    },
  };
}

/** A message that is no event. */
export function malformed(streamSequence: number): FeedMessage {
  const decoded = { rejection: { reason: 'not_json' as const, detail: 'it is no JSON' } };
  return { ...message(streamSequence, 'nobody'), decoded };
}

/** An engine on a store, with the counts of its groups. It writes no checkpoint unless asked. */
export function engineOn(
  store: SimulatedStore,
  options: Partial<EngineOptions> = {},
  { limits = LIMITS, catalogLogger = SILENT }: { limits?: MatcherLimits; catalogLogger?: LoggerPort } = {},
) {
  const matcher = new Matcher(limits);
  const groups: GroupCounts[] = [];
  const catalog: Catalog = new Catalog({
    matcher,
    store,
    backfillStore: store,
    sequencesPerOuMax: 10,
    currentPosition: () => engine.position,
    currentMark: () => engine.mark(),
    logger: catalogLogger,
  });
  const engine: Engine = new Engine({
    matcher,
    catalog,
    store,
    commitFires: store.commitFires,
    storeRejected: async () => {},
    planDeliveries: () => [],
    digestOf: (data) => `digest of ${Buffer.from(data)}`,
    onDeliveriesDurable: () => {},
    metrics: { onGroup: (counts) => groups.push(counts), onCheckpoint: () => {} },
    logger: SILENT,
    checkpointIntervalMs: 1_000_000,
    leadsPerTurn: 1,
    ...options,
  });
  return { engine, catalog, matcher, groups, store };
}
