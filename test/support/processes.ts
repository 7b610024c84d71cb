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

/** A thread of a process. */
export interface LivingThread {
  readonly session: number;
  readonly nice: number;
  /** Processor time that it has used. */
  readonly usedMs: number;
}

/** The threads of a process, its first one first; none where it has ended. */
export function threadsOf(pid: number): LivingThread[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => {
      const read = (file: string) => readFileSync(`/proc/${pid}/task/${thread}/${file}`, 'utf8');
      const stat = read('stat');
      // The name of the thread, in brackets, may hold spaces.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [nanoseconds] = read('schedstat').split(' ');
      return { session: Number(fields[3]), nice: Number(fields[16]), usedMs: Number(nanoseconds) / 1e6 };
    });
  } catch {
    return [];
  }
}
