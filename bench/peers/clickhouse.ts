import type { LeadEvent, LeadId } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { labelsOf } from '../../src/model/step.ts';
import { peerPackage } from './installed.ts';
import type { BatchEngine } from './run.ts';

/** What is used of the package chdb: ClickHouse inside this process. */
interface Chdb {
  readonly Session: new () => Session;
}

interface Session {
  query(sql: string, format: 'TSV'): string;
  queryAsync(sql: string, options: { format: 'TSV' }): Promise<{ text(): string }>;
  insert(rows: { table: string; values: Buffer; format: 'TSV' }): Promise<unknown>;
  close(): void;
}

/** A mode of ClickHouse's windowFunnel; `default` is none. Only `strict_once` never uses an event twice (R3). */
export type FunnelMode = 'default' | 'strict_once' | 'strict_increase';

export interface ClickHouseOptions {
  readonly mode: FunnelMode;
  /**
   * 1: a query reads only the rows of its three types, from a table ordered by type first. More: a query has
   * one windowFunnel column per sequence over a table ordered by lead; its memory grows with the columns.
   */
  readonly sequencesPerQuery: number;
}

/** ClickHouse with one row per event. The window is in the unit of the time column: microseconds, as an integer. */
export function openClickHouse({ mode, sequencesPerQuery }: ClickHouseOptions): BatchEngine {
  const { Session } = peerPackage<Chdb>('chdb');
  const session = new Session();
  const order = sequencesPerQuery === 1 ? 'event_type, lead_id, time_micros' : 'lead_id, time_micros';
  session.query(
    `CREATE TABLE events (lead_id String, event_type LowCardinality(String), time_micros UInt64)
     ENGINE = MergeTree ORDER BY (${order})`,
    'TSV',
  );
  return {
    version: `ClickHouse ${session.query('SELECT version()', 'TSV').trim()}`,
    insert: async (events) => {
      await session.insert({ table: 'events', values: rowsOf(events), format: 'TSV' });
    },
    sort: async () => {
      await session.queryAsync('OPTIMIZE TABLE events FINAL', { format: 'TSV' });
    },
    evaluate: async (sequences) => {
      const pairs: [number, LeadId][] = [];
      for (let from = 0; from < sequences.length; from += sequencesPerQuery) {
        const sql = queryOf(sequences.slice(from, from + sequencesPerQuery), mode);
        const result = await session.queryAsync(sql, { format: 'TSV' });
        for (const line of result.text().split('\n')) {
          if (line === '') continue;
          const [index, leadId] = line.split('\t');
          pairs.push([from + Number(index), leadId!]);
        }
      }
      return pairs;
    },
    close: () => session.close(),
  };
}

/** Names in the workloads need no escaping in TSV. */
function rowsOf(events: readonly LeadEvent[]): Buffer {
  return Buffer.from(
    events.map(({ leadId, type, timeMicros }) => `${leadId}\t${type}\t${timeMicros}\n`).join(''),
  );
}

function queryOf(sequences: readonly SequenceDefinition[], mode: FunnelMode): string {
  const types = new Set(sequences.flatMap(({ eventTypes }) => labelsOf(eventTypes)));
  const columns = sequences.map((sequence) => `${funnelOf(sequence, mode)} = ${sequence.eventTypes.length}`);
  return `SELECT arrayJoin(arrayFilter((position, done) -> done, range(${columns.length}), completed)), lead_id
    FROM (
      SELECT lead_id, [${columns.join(',\n')}] AS completed
      FROM events WHERE event_type IN (${[...types].map(quoted).join(', ')})
      GROUP BY lead_id
    )`;
}

function funnelOf({ eventTypes, windowMicros }: SequenceDefinition, mode: FunnelMode): string {
  const parameters = mode === 'default' ? windowMicros : `${windowMicros}, '${mode}'`;
  const conditions = labelsOf(eventTypes).map((type) => `event_type = ${quoted(type)}`);
  return `windowFunnel(${parameters})(time_micros, ${conditions.join(', ')})`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
