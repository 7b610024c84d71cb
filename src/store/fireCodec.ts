import type { DeliveryId } from '../model/delivery.ts';
import type { MatchedEvent } from '../model/event.ts';
import type { Fire, FireId } from '../model/fire.ts';
import { packRow, unpackRow } from './environment.ts';

/** A fire as it is stored: with the ids of its deliveries, in the order in which they were planned. */
export interface FireRow {
  readonly fire: Fire;
  readonly deliveryIds: readonly DeliveryId[];
}

/** Version 1 of a fire lacks `isSample`; 1 and 2 are a `FireRow` by its names; 3 is a `RowFields`. */
const ROW_VERSION = 3;
const READABLE_VERSIONS = [1, 2, ROW_VERSION];

/** Values without their names take two thirds of the room, and are read in a third of the time. The id is the key. */
type RowFields = readonly [
  ou: string,
  sequenceId: string,
  sequenceName: string,
  sequenceVersion: number,
  leadId: string,
  eventTypes: readonly string[],
  /** Id, type and time in microseconds of each. */
  events: readonly (string | number)[],
  completedAtMicros: number,
  firedAtMicros: number,
  streamSequence: number,
  late: boolean,
  stale: boolean,
  isSample: boolean,
  /** Score and threshold. */
  milestone: readonly [number, number] | null,
  deliveryIds: readonly DeliveryId[],
];
const VALUES_PER_EVENT = 3;

export function packFire({ fire, deliveryIds }: FireRow): Buffer {
  const { milestone } = fire;
  const fields: RowFields = [
    fire.ou,
    fire.sequenceId,
    fire.sequenceName,
    fire.sequenceVersion,
    fire.leadId,
    fire.eventTypes,
    valuesOf(fire.events),
    fire.completedAtMicros,
    fire.firedAtMicros,
    fire.streamSequence,
    fire.late,
    fire.stale,
    fire.isSample,
    milestone === undefined ? null : [milestone.score, milestone.scoreThreshold],
    deliveryIds,
  ];
  return packRow(ROW_VERSION, fields);
}

/** Throws when the row is of a version that this program cannot read. */
export function unpackFire(id: FireId, bytes: Uint8Array): FireRow {
  const row = unpackRow<unknown>(bytes, READABLE_VERSIONS);
  if (bytes[0] === ROW_VERSION) return rowOf(id, row as RowFields);
  const { fire, deliveryIds } = row as FireRow;
  return { fire: bytes[0] === 1 ? { ...fire, isSample: false } : fire, deliveryIds };
}

function rowOf(id: FireId, fields: RowFields): FireRow {
  const milestone = fields[13];
  const fire: Fire = {
    id,
    ou: fields[0],
    sequenceId: fields[1],
    sequenceName: fields[2],
    sequenceVersion: fields[3],
    leadId: fields[4],
    eventTypes: fields[5],
    events: eventsOf(fields[6]),
    completedAtMicros: fields[7],
    firedAtMicros: fields[8],
    streamSequence: fields[9],
    late: fields[10],
    stale: fields[11],
    isSample: fields[12],
  };
  const deliveryIds = fields[14];
  if (milestone === null) return { fire, deliveryIds };
  const [score, scoreThreshold] = milestone;
  return { fire: { ...fire, milestone: { score, scoreThreshold } }, deliveryIds };
}

function valuesOf(events: readonly MatchedEvent[]): RowFields[6] {
  const values: (string | number)[] = [];
  for (const { id, type, timeMicros } of events) values.push(id, type, timeMicros);
  return values;
}

function eventsOf(values: RowFields[6]): MatchedEvent[] {
  const events: MatchedEvent[] = [];
  for (let at = 0; at < values.length; at += VALUES_PER_EVENT) {
    const [id, type, timeMicros] = [values[at], values[at + 1], values[at + 2]];
    events.push({ id: id as string, type: type as string, timeMicros: timeMicros as number });
  }
  return events;
}
