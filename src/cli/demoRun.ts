import { withTimeLimit } from '../composition/timeLimit.ts';
import { type DemoOptions, USAGE } from './demoArguments.ts';
import {
  createSequences,
  publishFile,
  readSequences,
  rejections,
  requireReadable,
  summarize,
  tableOf,
  untilDone,
} from './demoFile.ts';
import type { ReceivedEmail } from './demoMailbox.ts';
import { type DemoListener, type DemoProgram, startDemoProgram } from './demoProgram.ts';
import type { ReceivedFire } from './demoReceiver.ts';
import { createDemoSequences, runVisitors } from './demoVisitors.ts';

type Print = (line: string) => void;
type FileOptions = Extract<DemoOptions, { mode: 'file' }>;
type VisitorOptions = Extract<DemoOptions, { mode: 'visitors' }>;

/** Fires of a file that are printed one by one; the table counts the rest. */
const FIRES_SHOWN_MAX = 20;
/** Above this the events are history, and the time since says nothing. */
const FRESH_MS = 60_000;

/** Runs the demo until its end or the signal, whichever is first, and drains. Rejects when a part fails. */
export async function runDemo(options: DemoOptions, signal: AbortSignal, print: Print): Promise<void> {
  if (options.mode === 'help') {
    print(USAGE);
    return;
  }
  if (options.mode === 'file') await runFile(options, signal, print);
  else await runMadeUp(options, signal, print);
}

async function runMadeUp(options: VisitorOptions, signal: AbortSignal, print: Print): Promise<void> {
  await withProgram(options.port, listener(print, Number.POSITIVE_INFINITY), async (program) => {
    printAddresses(program, print);
    await createDemoSequences(program, print);
    const howLong = options.seconds === null ? 'until Ctrl-C' : `for ${options.seconds} s`;
    print(`Visitors come, ${options.eventsPerSecond} events a second, ${howLong}.`);
    const limitMs = options.seconds === null ? null : options.seconds * 1_000;
    const published = await withTimeLimit(limitMs, signal, (ended) =>
      runVisitors(program, options.eventsPerSecond, ended),
    );
    print(`Published ${published} events. Stopping ...`);
  });
}

async function runFile(options: FileOptions, signal: AbortSignal, print: Print): Promise<void> {
  const bodies = await readSequences(options.sequences);
  await requireReadable(options.events);
  await withProgram(options.port, listener(print, FIRES_SHOWN_MAX), async (program) => {
    printAddresses(program, print);
    const sequences = await createSequences(program, bodies);
    print(`Created ${sequences.length} sequences; publishing ${options.events} ...`);
    const { published, lastSequence } = await publishFile(program, options.events, signal);
    await untilDone(program.client, lastSequence, signal);
    if (signal.aborted) return;
    const rejected = await rejections(program.client);
    print(`Published ${published} events; rejected: ${rejected.join(', ') || 'none'}.`);
    print('');
    for (const line of tableOf(await summarize(program.client, sequences))) print(line);
  });
}

async function withProgram(
  port: number | null,
  hears: DemoListener,
  use: (program: DemoProgram) => Promise<void>,
): Promise<void> {
  const program = await startDemoProgram(port, hears);
  try {
    await use(program);
  } finally {
    await program.stop();
  }
}

function printAddresses(program: DemoProgram, print: Print): void {
  print(`HTTP API: ${program.apiUrl}  token of OU default: ${program.token}`);
  print(
    `Data: ${program.dataDir} (${program.isDataRemoved ? 'removed in the end' : 'DATA_DIR, which stays'})`,
  );
  print(`NATS: ${program.natsUrl}  webhook receiver: ${program.receiver.url}`);
}

function listener(print: Print, firesShownMax: number): DemoListener {
  let fires = 0;
  return {
    onFire(fire) {
      fires += 1;
      if (fires <= firesShownMax) print(describeFire(fire, Date.now()));
      else if (fires === firesShownMax + 1) print('... further fires are only counted.');
    },
    onEmail(email) {
      if (fires <= firesShownMax) print(describeEmail(email));
    },
    onTrouble: print,
  };
}

/** One line on a webhook. */
export function describeFire(fire: ReceivedFire, nowMs: number): string {
  const steps = fire.events.map((event) => event.type).join(', ');
  const times = fire.events.map((event) => event.createdAtMs);
  const sinceMs = nowMs - Math.max(...times);
  const delay = sinceMs < FRESH_MS ? `, ${Math.max(0, sinceMs)} ms after the last event` : '';
  return `webhook  "${fire.sequenceName}"  lead ${fire.leadId}: ${steps} (signature verified${delay})`;
}

/** One line on an email. */
export function describeEmail(email: ReceivedEmail): string {
  return `email    "${email.subject}"  to ${email.to.join(', ')}`;
}
