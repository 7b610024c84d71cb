import { readdirSync, readFileSync } from 'node:fs';

/** A process that lives. */
export interface LivingProcess {
  readonly pid: number;
  readonly command: string;
}

/** The processes that a process has begun and that live. */
export function childrenOf(parent: number): LivingProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const isChild = readFileSync(`/proc/${pid}/status`, 'utf8').includes(`\nPPid:\t${parent}\n`);
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return isChild && command !== '' ? [{ pid: Number(pid), command }] : [];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}

/** The session and the priority of each thread of a process; none where it has ended. */
export function threadsOf(pid: number): { readonly session: number; readonly nice: number }[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // The name of the thread, in brackets, may hold spaces.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { session: Number(fields[3]), nice: Number(fields[16]) };
    });
  } catch {
    return [];
  }
}

/** The processor time that each thread of a process has used, in milliseconds; its first thread comes first. */
export function processorTimesOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return Number(nanoseconds) / 1e6;
  });
}
