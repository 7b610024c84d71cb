import type { EmbeddedServer } from '../../src/stream/server.ts';
import { cpuSecondsOf } from './cpuSeconds.ts';

/** Wall and CPU time of a reader of the whole stream. CPU time is that of its process, all threads. */
export interface Usage {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

/** What a reader took, and what the nats-server took meanwhile; NaN where that is not known. */
export type Run<U extends Usage = Usage> = U & { readonly serverCpuSeconds: number };

/**
 * Lets all readers run once a round, one after the other, in every other round in reverse. Gives the runs of
 * each, one for each round.
 */
export async function takeTurns<Usages extends Readonly<Record<string, Usage>>>(
  readers: { readonly [Name in keyof Usages]: () => Promise<Usages[Name]> },
  rounds: number,
  server: EmbeddedServer,
): Promise<{ [Name in keyof Usages]: Run<Usages[Name]>[] }> {
  const runs = {} as { [Name in keyof Usages]: Run<Usages[Name]>[] };
  const names: (keyof Usages)[] = Object.keys(readers);
  for (const name of names) runs[name] = [];
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const serverCpuBefore = cpuSecondsOf(server.pid);
      const usage = await readers[name]();
      runs[name].push({ ...usage, serverCpuSeconds: cpuSecondsOf(server.pid) - serverCpuBefore });
    }
  }
  return runs;
}
