import type { LeadEvent, LeadId } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { labelsOf } from '../../src/model/step.ts';
import { peerPackage } from './installed.ts';
import type { BatchEngine } from './run.ts';

/** What is used of the package @duckdb/node-api: DuckDB inside this process. */
interface DuckDb {
  readonly DuckDBInstance: { create(path: ':memory:'): Promise<{ connect(): Promise<Connection> }> };
}

interface Connection {
  run(sql: string): Promise<unknown>;
  runAndReadAll(sql: string): Promise<{ getRowsJson(): string[][] }>;
  createAppender(table: string): Promise<Appender>;
  closeSync(): void;
}

interface Appender {
  appendBigInt(value: bigint): void;
  appendVarchar(value: string): void;
  endRow(): void;
  closeSync(): void;
}

/**
 * DuckDB with one row per event and a query per sequence. `position` is the rank of the event in the order of
 * R2, so that equal times are in stream order. From each event of the last type, an ASOF join finds the latest
 * earlier one of the type before it, and so on: the latest possible start, which the window then judges (R7).
 */
export async function openDuckDb(): Promise<BatchEngine> {
  const { DuckDBInstance } = peerPackage<DuckDb>('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(
    'CREATE TABLE arrivals (stream_sequence BIGINT, lead_id VARCHAR, event_type VARCHAR, time_micros BIGINT)',
  );
  const version = (await connection.runAndReadAll('SELECT version()')).getRowsJson()[0]![0]!;
  return {
    version: `DuckDB ${version}`,
    insert: async (events) => append(await connection.createAppender('arrivals'), events),
    sort: async () => {
      await connection.run(
        `CREATE TABLE events AS
         SELECT lead_id, event_type, time_micros, row_number() OVER (ORDER BY time_micros, stream_sequence) AS position
         FROM arrivals ORDER BY event_type, lead_id, position`,
      );
      await connection.run('DROP TABLE arrivals');
    },
    evaluate: async (sequences) => {
      const pairs: [number, LeadId][] = [];
      for (const [index, sequence] of sequences.entries()) {
        const result = await connection.runAndReadAll(queryOf(sequence));
        for (const [leadId] of result.getRowsJson()) pairs.push([index, leadId!]);
      }
      return pairs;
    },
    close: () => connection.closeSync(),
  };
}

function append(appender: Appender, events: readonly LeadEvent[]): void {
  for (const { streamSequence, leadId, type, timeMicros } of events) {
    appender.appendBigInt(BigInt(streamSequence));
    appender.appendVarchar(leadId);
    appender.appendVarchar(type);
    appender.appendBigInt(BigInt(timeMicros));
    appender.endRow();
  }
  appender.closeSync();
}

function queryOf({ eventTypes, windowMicros }: SequenceDefinition): string {
  const labels = labelsOf(eventTypes);
  const last = labels.length - 1;
  const eventsOfType = (step: number) =>
    `(FROM events WHERE event_type = '${labels[step]!.replaceAll("'", "''")}') AS step${step}`;
  const joins = labels
    .map((_, step) => step)
    .slice(0, last)
    .reverse()
    .map(
      (step) => `ASOF JOIN ${eventsOfType(step)}
        ON step${step}.lead_id = step${step + 1}.lead_id AND step${step + 1}.position > step${step}.position`,
    );
  return `SELECT DISTINCT step${last}.lead_id FROM ${eventsOfType(last)} ${joins.join('\n')}
    WHERE step${last}.time_micros - step0.time_micros <= ${windowMicros}`;
}
