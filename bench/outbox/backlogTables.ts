import type { Row } from '../report.ts';
import type { Backlog, Beginning } from './backlog.ts';
import { round } from './statistics.ts';
import { withDataDir } from './subject.ts';
import { type Subject, Subjects } from './subjects.ts';

const ROWS = 1_000_000;
/** What a long backlog is compared with. */
const FEW_ROWS = 1_000;
const ROWS_MIN = 2 * FEW_ROWS;
const DESTINATIONS = [1, 1_000, 100_000];
/** A small run would have more destinations than rows otherwise. */
const ROWS_PER_DESTINATION_MIN = 10;
const DELIVERIES = 11_000;
const DELIVERIES_MIN = 1_000;

type Wanted = Omit<Backlog, 'dataDir'> & { readonly deliveries: number };
type Measured = Beginning & { readonly fillSeconds: number };

/** How an outbox begins with very many due rows, spread over few and many destinations. */
export async function backlogTables(scale: number): Promise<{ title: string; rows: Row[] }[]> {
  const rows = Math.max(ROWS_MIN, Math.round(ROWS * scale));
  const deliveries = Math.max(DELIVERIES_MIN, Math.round(DELIVERIES * scale));
  const spreads = new Set(DESTINATIONS.map((most) => Math.min(most, rows / ROWS_PER_DESTINATION_MIN)));
  const table: Row[] = [];
  await Subjects.use(scale, async (subjects) => {
    for (const destinations of spreads) {
      const few = { rows: FEW_ROWS, destinations: Math.min(destinations, FEW_ROWS), deliveries };
      const many = { rows, destinations, deliveries };
      const withFew = await measure(few, subjects);
      table.push(rowOf(few, withFew, withFew), rowOf(many, await measure(many, subjects), withFew));
    }
  });
  return [
    { title: `a backlog of ${rows} due rows, beside one of ${FEW_ROWS}; nothing is sent`, rows: table },
  ];
}

/** Filled and measured by different processes, so that the memory of the one is not counted with the other. */
async function measure(wanted: Wanted, subjects: Subjects): Promise<Measured> {
  return withDataDir(async (dataDir) => {
    const fillSeconds = await subjects.measure((subject) => subject.run('fill', { ...wanted, dataDir }));
    const beginning = await subjects.measure(async (subject) => {
      await warmUp(subject);
      return subject.run('begin', { ...wanted, dataDir });
    });
    return { ...beginning, fillSeconds };
  });
}

async function warmUp(subject: Subject): Promise<void> {
  await withDataDir(async (dataDir) => {
    const backlog: Backlog = { dataDir, rows: FEW_ROWS, destinations: 10 };
    await subject.run('fill', backlog);
    await subject.run('begin', { ...backlog, deliveries: FEW_ROWS });
  });
}

function rowOf({ rows, destinations, deliveries }: Wanted, beginning: Measured, few: Measured): Row {
  return {
    'due rows': beginning.dueRows,
    destinations,
    'fill s': round(beginning.fillSeconds),
    'start ms': round(beginning.startMs),
    'first send ms': round(beginning.firstSendMs),
    'first pick µs': round(beginning.firstPickMicros),
    'early picks p50 µs': round(beginning.earlyPickP50Micros),
    'late picks p50 µs': round(beginning.latePickP50Micros),
    'late picks p99 µs': round(beginning.latePickP99Micros),
    'late p50 to few rows': round(beginning.latePickP50Micros / few.latePickP50Micros),
    'picks per delivery': round(beginning.picks / Math.min(rows, deliveries)),
    'deliveries/s': Math.round(beginning.deliveriesPerSecond),
    'anonymous before MiB': Math.round(beginning.anonymousBeforeMiB),
    'anonymous started MiB': Math.round(beginning.anonymousAfterMiB),
    'RSS started MiB': Math.round(beginning.residentAfterMiB),
    'heap before MiB': round(beginning.heapBeforeMiB),
    'heap started MiB': round(beginning.heapAfterMiB),
  };
}
