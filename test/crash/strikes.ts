import { setTimeout as sleep } from 'node:timers/promises';
import type { Hit, Strike, Target } from './plannedStrikes.ts';
import type { Mortal } from './processes.ts';
import type { ProgramProcess } from './programProcess.ts';

/** A kill that was made. */
export interface Kill {
  readonly target: Target;
  /** As in the plan; `together` where several processes were hit at once. */
  readonly moment: Hit['moment'] | 'together';
  readonly atMs: number;
}

export type Mortals = Readonly<Record<Target, Mortal>> & { readonly program: ProgramProcess };

/** A moment that does not come is not waited for longer; the kill comes all the same. */
const LINE_MS_MAX = 4_000;

/** Makes the strikes one after the other until the time is up; resolves when all are up again, if not yet ready. */
export async function strike(
  strikes: readonly Strike[],
  mortals: Mortals,
  endAtMs: number,
  onKill: (kill: Kill) => void,
): Promise<void> {
  for (const { pauseMs, hits, checkpointIntervalMs } of strikes) {
    await sleep(pauseMs);
    if (Date.now() > endAtMs) return;
    mortals.program.env.CHECKPOINT_INTERVAL_MS = String(checkpointIntervalMs);
    const targets = [...new Set(hits.map(({ target }) => target))];
    const isTogether = targets.length > 1;
    await Promise.all(
      targets.map(async (target) => {
        for (const hit of hits.filter((one) => one.target === target)) {
          await kill(hit, mortals);
          onKill({ target, moment: isTogether ? 'together' : hit.moment, atMs: Date.now() });
          await sleep(hit.downMs);
          await mortals[target].start();
        }
      }),
    );
  }
}

async function kill({ target, moment, afterMs }: Hit, mortals: Mortals): Promise<void> {
  if (moment === 'checkpoint') await mortals.program.nextLine('a checkpoint begins', LINE_MS_MAX);
  if (moment === 'change') await mortals.program.nextLine('a sequence is changed', LINE_MS_MAX);
  if (moment !== 'running' && afterMs > 0) await sleep(afterMs);
  await mortals[target].kill();
}
