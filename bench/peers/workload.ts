import { blocksOf } from '../matcher/feed.ts';
import { sequencesOf } from '../matcher/sequences.ts';
import { CARD } from '../matcher/workload.ts';
import { workloadOfCases } from './cases.ts';
import type { Workload } from './run.ts';
import { shortHistories } from './shortHistories.ts';

/** What may differ from the matcher's card. */
export type CardSize = Pick<typeof CARD, 'seed' | 'types' | 'sequences' | 'leads' | 'events' | 'windowDays'>;

/** A card, the written-out cases, or random short histories without and with events of one instant. */
export type WorkloadName = CardSize | 'cases' | 'repeats' | 'ties';

const BLOCK = 50_000;

export function workloadOf(name: WorkloadName): Workload {
  switch (name) {
    case 'cases':
      return workloadOfCases();
    case 'repeats':
      return shortHistories({ secondsBetweenMin: 1 });
    case 'ties':
      return shortHistories({ secondsBetweenMin: 0 });
    default:
      return cardWorkload(name);
  }
}

function cardWorkload(size: CardSize): Workload {
  const card = { ...CARD, ...size };
  return {
    sequences: sequencesOf(card),
    *blocks() {
      for (const { events } of blocksOf(card, BLOCK)) yield events();
    },
  };
}
