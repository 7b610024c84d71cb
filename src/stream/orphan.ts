import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Logger, pause } from './ports.ts';

const run = promisify(execFile);
const POLL_MS = 50;

export interface ProcessInfo {
  readonly parentPid: number;
  readonly commandLine: string;
}

/** How a process looks from outside; undefined when there is none of that id. */
export async function inspectProcess(pid: number): Promise<ProcessInfo | undefined> {
  return (await inspectByProc(pid)) ?? (await inspectByPs(pid));
}

async function inspectByProc(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const [stat, commandLine] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    // The second field is the program's name in parentheses and may hold blanks; state and parent follow it.
    const [state, parentPid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z') return undefined;
    return { parentPid: Number(parentPid), commandLine: commandLine.replaceAll('\0', ' ') };
  } catch {
    return undefined;
  }
}

async function inspectByPs(pid: number): Promise<ProcessInfo | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', 'ppid=,args=', '-p', String(pid)]);
    const [, parentPid, commandLine] = /^\s*(\d+)\s+(.*)$/m.exec(stdout) ?? [];
    return commandLine === undefined ? undefined : { parentPid: Number(parentPid), commandLine };
  } catch {
    return undefined;
  }
}

export interface OrphanSearch {
  /** File into which the server wrote its process id. */
  readonly pidPath: string;
  /** Occurs in the command line of this server and of no other: the path of its configuration. */
  readonly configPath: string;
  /** Matches the owner's process id in the server's command line. */
  readonly ownerPattern: RegExp;
  /** From SIGTERM to SIGKILL. */
  readonly deadlineMs: number;
}

/**
 * Ends the server that an earlier run of this program left behind when it was killed, so that no two servers
 * write one store. A process that merely got the same id is left alone. Throws when the server still belongs
 * to a living program, which then uses this data directory.
 */
export async function endOrphan(search: OrphanSearch, logger: Logger): Promise<void> {
  const pid = Number((await readFile(search.pidPath, 'utf8').catch(() => '')).trim());
  if (!Number.isInteger(pid) || pid <= 1) return;
  const found = await inspectProcess(pid);
  if (!found?.commandLine.includes(search.configPath)) return;

  const owner = Number(search.ownerPattern.exec(found.commandLine)?.[1]);
  // An orphan was handed to another parent when its owner died.
  if (found.parentPid === owner) {
    throw new Error(
      `DATA_DIR is in use: the nats-server of this directory (process ${pid}) belongs to the running process ${owner}`,
    );
  }
  logger.warn({ pid }, 'ending the nats-server that an earlier run left behind');
  await endProcess(pid, search.deadlineMs);
}

/** SIGTERM, and after the deadline SIGKILL. Resolves when the process is gone. */
export async function endProcess(pid: number, deadlineMs: number): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  signal(pid, 'SIGTERM');
  while (await inspectProcess(pid)) {
    if (Date.now() > deadline) signal(pid, 'SIGKILL');
    await pause(POLL_MS);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It is gone already.
  }
}
