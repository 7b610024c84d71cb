import { seededRandom } from '../random.ts';
import type { Operation } from './load.ts';
import { BATCH_EVENTS, eventOf, sequenceOf } from './workload.ts';

export const TOKEN = 'bench-token';
/** Of another organizational unit, so that what is created there does not lengthen the list. */
export const OTHER_TOKEN = 'other-token';

const random = seededRandom(23);
let bodies = 0;

/** What is asked of the API; the first is the baseline: the server, its router and nothing behind them. */
export function operations(sequenceId: string): readonly Operation[] {
  const get = { method: 'GET', status: 200, token: TOKEN, weight: 1 } as const;
  const post = { method: 'POST', token: TOKEN, weight: 1 } as const;
  return [
    { ...get, name: BASELINE, offered: 100, next: () => ({ path: '/healthz' }) },
    { ...get, name: 'list 1,000 sequences', offered: 10, next: () => ({ path: '/sequences' }) },
    { ...get, name: 'read a sequence', offered: 100, next: () => ({ path: `/sequences/${sequenceId}` }) },
    { ...get, name: 'list 25 fires', offered: 50, next: () => ({ path: '/sequence-events' }) },
    {
      ...post,
      name: 'create a sequence',
      token: OTHER_TOKEN,
      status: 201,
      offered: 20,
      next: () => ({ path: '/sequences', body: JSON.stringify(sequenceOf(`made ${bodies++}`, random)) }),
    },
    {
      ...post,
      name: 'ingest 1 event',
      status: 202,
      offered: 100,
      next: () => ({ path: '/ingest', body: JSON.stringify(eventOf(`one-${bodies++}`, random)) }),
    },
    {
      ...post,
      name: INGEST_BATCH,
      status: 202,
      weight: BATCH_EVENTS,
      offered: 5,
      next: () => ({ path: '/ingest', body: batch() }),
    },
  ];
}

export const BASELINE = 'healthz (baseline)';
export const INGEST_BATCH = 'ingest 1,000 events';

function batch(): string {
  const number = bodies++;
  const events = Array.from({ length: BATCH_EVENTS }, (_, at) => eventOf(`batch-${number}-${at}`, random));
  return JSON.stringify({ events });
}
