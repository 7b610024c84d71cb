import { DEFAULT_LIMITS } from '../../src/outbox/options.ts';
import { OperatingProcess } from '../operations.ts';
import type { Row } from '../report.ts';
import type { ReceiverOperations } from './receiverProcess.ts';
import { median, round } from './statistics.ts';
import { Subjects } from './subjects.ts';
import type { Load, OutboxRun, Run } from './throughput.ts';

const DELIVERIES = 20_000;
const DELIVERIES_MIN = 200;
/** Share of the deliveries that each process makes before it is measured. */
const WARM_UP_SHARE = 0.1;
const ROUNDS = 3;
const ROUNDS_OF_A_SMALL_RUN = 1;
const SMALL_SCALE = 0.05;
const HOT_SPOTS_MAX = 25;

const TARGETS = [
  { name: '1 destination', destinations: 1, origins: 1 },
  { name: '10 destinations', destinations: 10, origins: 1 },
  { name: '10 destinations, each an origin', destinations: 10, origins: 10 },
  { name: '1,000 destinations', destinations: 1_000, origins: 1 },
];
type Target = (typeof TARGETS)[number];
type Receiver = OperatingProcess<ReceiverOperations>;

const SUBJECTS = ['bare', 'sender', 'outbox', 'steady'] as const;
type Subject = (typeof SUBJECTS)[number];
const DESCRIPTIONS: Readonly<Record<Subject, string>> = {
  bare: 'undici alone',
  sender: 'our sender alone',
  outbox: 'outbox, fires on disk',
  steady: 'outbox, fires committed meanwhile',
};

type Measured = Run & Partial<OutboxRun> & { readonly receiverCpuSeconds: number };
type Runs = Readonly<Record<Subject, Measured[]>>;

/** Deliveries to a receiver that answers at once: by undici alone, by our sender alone, by the outbox. */
export async function throughputTables(scale: number): Promise<{ title: string; rows: Row[] }[]> {
  const deliveries = Math.max(DELIVERIES_MIN, Math.round(DELIVERIES * scale));
  const rounds = scale <= SMALL_SCALE ? ROUNDS_OF_A_SMALL_RUN : ROUNDS;
  const rates: Row[] = [];
  const costs: Row[] = [];
  const stages: Row[] = [];
  await Subjects.use(scale, async (subjects) => {
    for (const target of TARGETS) {
      const runs = await takeTurns(target, deliveries, rounds, subjects);
      for (const subject of SUBJECTS) {
        rates.push(rateRow(target, subject, runs, deliveries));
        if (subject === 'outbox' || subject === 'steady')
          costs.push(costRow(target, subject, runs, deliveries));
      }
      stages.push(stageRow(target, runs, deliveries));
    }
  });
  const title = `${deliveries} deliveries, ${rounds} rounds`;
  return [
    { title: `${title}: deliveries/s`, rows: rates },
    { title: `${title}: what the store takes`, rows: costs },
    { title: `${title}: CPU ms per 1,000 deliveries, by stage`, rows: stages },
  ];
}

/** Where the main thread spends its time, for one destination and for 1,000. */
export async function profileTables(scale: number): Promise<{ title: string; rows: Row[] }[]> {
  const deliveries = Math.max(DELIVERIES_MIN, Math.round(DELIVERIES * scale));
  const tables: { title: string; rows: Row[] }[] = [];
  await Subjects.use(scale, async (subjects) => {
    for (const target of [TARGETS[0]!, TARGETS.at(-1)!]) {
      const spots = await withReceiver(target, deliveries, (load) =>
        subjects.measure((subject) => subject.run('profileOutbox', load)),
      );
      const perThousand = (ms: number) => round((ms / deliveries) * 1_000);
      const rows = spots.slice(0, HOT_SPOTS_MAX).map(({ name, place, selfMs }) => ({
        function: name,
        place,
        'self ms per 1,000': perThousand(selfMs),
      }));
      tables.push({ title: `${target.name}: functions by their own time, ${deliveries} deliveries`, rows });
    }
  });
  return tables;
}

/** All subjects once a round, in every other round in reverse. */
async function takeTurns(
  target: Target,
  deliveries: number,
  rounds: number,
  subjects: Subjects,
): Promise<Runs> {
  const runs: Runs = { bare: [], sender: [], outbox: [], steady: [] };
  await withReceiver(target, deliveries, async (load, receiver) => {
    for (let turn = 0; turn < rounds; turn++) {
      for (const subject of turn % 2 === 0 ? SUBJECTS : SUBJECTS.toReversed()) {
        runs[subject].push(await measure(subject, load, receiver, subjects));
      }
    }
  });
  return runs;
}

async function measure(
  subject: Subject,
  load: Load,
  receiver: Receiver,
  subjects: Subjects,
): Promise<Measured> {
  return subjects.measure(async (process) => {
    const run = async (each: Load): Promise<Run | OutboxRun> => {
      if (subject === 'bare') return process.run('runBare', each);
      if (subject === 'sender') return process.run('runSender', each);
      return process.run('runOutbox', { ...each, isSteady: subject === 'steady' });
    };
    await run({ ...load, deliveries: Math.ceil(load.deliveries * WARM_UP_SHARE) });
    await receiver.run('take', null);
    const measured = await run(load);
    const { arrivals, cpuSeconds } = await receiver.run('take', null);
    const delivered = 'delivered' in measured ? measured.delivered : load.deliveries;
    if (arrivals.length !== load.deliveries || delivered !== load.deliveries) {
      throw new Error(`${arrivals.length} arrived and ${delivered} are delivered of ${load.deliveries}`);
    }
    return { ...measured, receiverCpuSeconds: cpuSeconds };
  });
}

async function withReceiver<T>(
  { destinations, origins }: Target,
  deliveries: number,
  work: (load: Load, receiver: Receiver) => Promise<T>,
): Promise<T> {
  const receiver: Receiver = new OperatingProcess('outbox/receiverProcess');
  try {
    const { answering } = await receiver.run('listen', { answering: origins, hanging: 0 });
    const urls = Array.from(
      { length: destinations },
      (_, index) => `${answering[index % origins]}/hook/${index}`,
    );
    // As many as the outbox may have under way with so many destinations; the others get the same.
    const { attemptsMax, attemptsPerLaneMax } = DEFAULT_LIMITS;
    const concurrency = Math.min(attemptsMax, attemptsPerLaneMax * destinations);
    return await work({ urls, deliveries, concurrency }, receiver);
  } finally {
    await receiver.end();
  }
}

/** Ratios are medians of the ratios within a round. */
function rateRow(target: Target, subject: Subject, runs: Runs, deliveries: number): Row {
  const own = runs[subject];
  const rates = own.map(({ seconds }) => deliveries / seconds);
  const perThousand = (of: (run: Measured) => number) => round((median(own.map(of)) / deliveries) * 1e6);
  return {
    to: target.name,
    by: DESCRIPTIONS[subject],
    'deliveries/s': Math.round(median(rates)),
    range: `${Math.round(Math.min(...rates))}–${Math.round(Math.max(...rates))}`,
    'to undici': round(median(own.map(({ seconds }, turn) => runs.bare[turn]!.seconds / seconds))),
    'to undici by CPU': round(median(own.map((run, turn) => runs.bare[turn]!.cpuSeconds / run.cpuSeconds))),
    'attempt p50 ms': round(median(own.map(({ attemptP50Ms }) => attemptP50Ms))),
    'attempt p99 ms': round(median(own.map(({ attemptP99Ms }) => attemptP99Ms))),
    'CPU ms per 1,000': perThousand(({ cpuSeconds }) => cpuSeconds),
    'of it main thread': perThousand(({ mainCpuSeconds }) => mainCpuSeconds),
    'receiver CPU ms per 1,000': perThousand(({ receiverCpuSeconds }) => receiverCpuSeconds),
  };
}

function costRow(target: Target, subject: Subject, runs: Runs, deliveries: number): Row {
  const own = runs[subject];
  const middle = (of: (run: Measured) => number | undefined) =>
    median(own.map((run) => of(run) ?? Number.NaN));
  return {
    to: target.name,
    by: DESCRIPTIONS[subject],
    'writes per delivery': round(middle(({ writes }) => writes! / deliveries)),
    commits: Math.round(middle(({ commits }) => commits)),
    'deliveries per commit': round(middle(({ commits }) => deliveries / commits!)),
    'in steps, µs per delivery': round(middle(({ stepMicros }) => stepMicros)),
    'asked to committed p50 ms': round(middle(({ writeP50Ms }) => writeP50Ms)),
    'p99 ms': round(middle(({ writeP99Ms }) => writeP99Ms)),
  };
}

/** What each stage adds to the CPU time of the one before. */
function stageRow(target: Target, runs: Runs, deliveries: number): Row {
  const perThousand = (subject: Subject) =>
    (median(runs[subject].map(({ cpuSeconds }) => cpuSeconds)) / deliveries) * 1e6;
  return {
    to: target.name,
    HTTP: round(perThousand('bare')),
    'our sender': round(perThousand('sender') - perThousand('bare')),
    'queue and store': round(perThousand('outbox') - perThousand('sender')),
    'committing the fires': round(perThousand('steady') - perThousand('outbox')),
  };
}
