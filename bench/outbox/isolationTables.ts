import { Durations } from '../matcher/durations.ts';
import { OperatingProcess } from '../operations.ts';
import type { Row } from '../report.ts';
import type { Offer } from './isolation.ts';
import type { ReceiverOperations } from './receiverProcess.ts';
import { median, round } from './statistics.ts';
import { type Subject, Subjects } from './subjects.ts';

const DESTINATIONS = 100;
const PER_SECOND = 500;
const SECONDS = 10;
const SECONDS_MIN = 0.5;
const TIMEOUT_MS = 1_000;
const RETRY_DELAYS_MS = [0, 2_000, 4_000, 8_000];
const ROUNDS = 3;
const ROUNDS_OF_A_SMALL_RUN = 1;
const SMALL_SCALE = 0.1;
const BURST = 600;
const BURST_MIN = 60;

/** What is wrong with the destinations: the last ones of all hang or refuse, or others come up at once that hang. */
const CASES = [
  { name: 'all answer', hanging: 0, refusing: 0, burstShare: 0 },
  { name: '1 hangs, 1 refuses', hanging: 1, refusing: 1, burstShare: 0 },
  { name: '20 hang', hanging: 20, refusing: 0, burstShare: 0 },
  { name: 'a dead host with many new paths', hanging: 1, refusing: 1, burstShare: 1 },
];
type Case = (typeof CASES)[number];
/** All runs are judged by destinations that answer in every case. */
const HEALTHY = DESTINATIONS - Math.max(...CASES.map(({ hanging, refusing }) => hanging + refusing));

interface Outcome {
  readonly latencies: Durations;
  /** Fires to those destinations, and how many of them arrived. */
  readonly offered: number;
  readonly arrived: number;
}

/**
 * The latency of deliveries to destinations that answer, from the moment at which the schedule wanted the fire
 * until the receiver had the request, while others do not answer.
 */
export async function isolationTables(scale: number): Promise<{ title: string; rows: Row[] }[]> {
  const seconds = Math.max(SECONDS_MIN, SECONDS * scale);
  const rounds = scale <= SMALL_SCALE ? ROUNDS_OF_A_SMALL_RUN : ROUNDS;
  const burst = Math.max(BURST_MIN, Math.round(BURST * scale));
  const outcomes = new Map<Case, Outcome[]>(CASES.map((each) => [each, []]));
  await Subjects.use(scale, async (subjects) => {
    for (let turn = 0; turn < rounds; turn++) {
      for (const each of turn % 2 === 0 ? CASES : CASES.toReversed()) {
        const burstOfCase = Math.round(each.burstShare * burst);
        outcomes
          .get(each)!
          .push(await subjects.measure((subject) => measure(each, seconds, burstOfCase, subject)));
      }
    }
  });
  const base = outcomes.get(CASES[0]!)!;
  const rows = CASES.map((each) => rowOf(each, outcomes.get(each)!, base));
  const title =
    `${PER_SECOND} fires/s to ${DESTINATIONS} destinations for ${seconds} s, ${rounds} rounds, ` +
    `timeout ${TIMEOUT_MS} ms, ${burst} new paths: schedule to request received at ${HEALTHY} that answer`;
  return [{ title, rows }];
}

async function measure(each: Case, seconds: number, burst: number, subject: Subject): Promise<Outcome> {
  const receiver = new OperatingProcess<ReceiverOperations>('outbox/receiverProcess');
  try {
    const origins = await receiver.run('listen', { answering: 1, hanging: each.hanging + 1 });
    const urls = Array.from({ length: DESTINATIONS }, (_, index) => {
      const fromEnd = DESTINATIONS - 1 - index;
      if (fromEnd < each.hanging) return `${origins.hanging[fromEnd]}/hook/${index}`;
      if (fromEnd < each.hanging + each.refusing) return `${origins.refusing}/hook/${index}`;
      return `${origins.answering[0]}/hook/${index}`;
    });
    const deadHost = origins.hanging.at(-1)!;
    const wanted: Offer = {
      urls,
      answering: DESTINATIONS - each.hanging - each.refusing,
      perSecond: PER_SECOND,
      seconds,
      timeoutMs: TIMEOUT_MS,
      retryDelaysMs: RETRY_DELAYS_MS,
      burstUrls: Array.from({ length: burst }, (_, index) => `${deadHost}/new/${index}`),
    };
    await warmUp({ ...wanted, urls: urls.slice(0, HEALTHY), answering: HEALTHY }, subject, receiver);
    const schedule = await subject.run('offer', wanted);
    const { arrivals } = await receiver.run('take', null);
    const arrivedMs = new Map(arrivals);
    const latencies = new Durations();
    const judged = schedule.filter(({ destination }) => destination >= 0 && destination < HEALTHY);
    for (const { fireId, dueMs } of judged) {
      const atMs = arrivedMs.get(fireId);
      if (atMs !== undefined) latencies.add((atMs - dueMs) * 1_000);
    }
    return { latencies, offered: judged.length, arrived: latencies.count };
  } finally {
    await receiver.end();
  }
}

/** The first run compiles the code; every one has a store of its own. */
async function warmUp(
  wanted: Offer,
  subject: Subject,
  receiver: OperatingProcess<ReceiverOperations>,
): Promise<void> {
  const schedule = await subject.run('offer', { ...wanted, seconds: SECONDS_MIN, burstUrls: [] });
  const { arrivals } = await receiver.run('take', null);
  if (arrivals.length === schedule.length) return;
  throw new Error(`${arrivals.length} of ${schedule.length} arrived although every destination answers`);
}

/** Ratios are medians of the ratios within a round. */
function rowOf(each: Case, own: readonly Outcome[], base: readonly Outcome[]): Row {
  const at = (share: number) => own.map(({ latencies }) => latencies.at(share) / 1_000);
  const ratio = (share: number) =>
    round(median(own.map(({ latencies }, turn) => latencies.at(share) / base[turn]!.latencies.at(share))));
  return {
    destinations: each.name,
    offered: own.reduce((sum, { offered }) => sum + offered, 0),
    arrived: own.reduce((sum, { arrived }) => sum + arrived, 0),
    'p50 ms': round(median(at(0.5))),
    'p99 ms': round(median(at(0.99))),
    'p99 range': `${round(Math.min(...at(0.99)))}–${round(Math.max(...at(0.99)))}`,
    'max ms': round(Math.max(...at(1))),
    'p50 ratio': ratio(0.5),
    'p99 ratio': ratio(0.99),
  };
}
