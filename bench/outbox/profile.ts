import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Load, runOutbox } from './throughput.ts';

const SAMPLE_MICROS = 500;

/** Time of the main thread spent in a function itself, not in what it called. */
export interface HotSpot {
  readonly name: string;
  readonly place: string;
  readonly selfMs: number;
}

/** The outbox with a profiler: all functions, those that took most first. */
export async function profileOutbox(load: Load): Promise<HotSpot[]> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
  let spots: HotSpot[] = [];
  await runOutbox(
    { ...load, isSteady: false },
    {
      begin: () => session.post('Profiler.start'),
      end: async () => {
        spots = selfTimes((await session.post('Profiler.stop')).profile);
      },
    },
  );
  session.disconnect();
  return spots;
}

function selfTimes(profile: Profiler.Profile): HotSpot[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const selfMicros = new Map<string, number>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const { functionName, url, lineNumber } = nodes.get(id)!.callFrame;
    const key = JSON.stringify([
      functionName || '(anonymous)',
      url === '' ? '' : `${shortOf(url)}:${lineNumber + 1}`,
    ]);
    selfMicros.set(key, (selfMicros.get(key) ?? 0) + (profile.timeDeltas?.[index] ?? 0));
  }
  return [...selfMicros]
    .map(([key, micros]) => {
      const [name, place] = JSON.parse(key) as [string, string];
      return { name, place, selfMs: micros / 1_000 };
    })
    .toSorted((a, b) => b.selfMs - a.selfMs);
}

function shortOf(url: string): string {
  return url.startsWith('file:') ? relative(process.cwd(), fileURLToPath(url)) : url;
}
