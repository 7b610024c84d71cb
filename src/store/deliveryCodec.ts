import type { Attempt, Channel, Delivery, DeliveryId, DeliveryState } from '../model/delivery.ts';
import { packRow, unpackRow } from './environment.ts';

/** A delivery as it is stored: with its last attempt, so that most attempts need no row of their own. */
export interface DeliveryRow {
  readonly delivery: Delivery;
  /** null before the first, and in rows of before it was kept here. */
  readonly lastAttempt: Attempt | null;
}

/** Version 1 lacks what `OLD_DELIVERY` holds; 1 and 2 are the delivery by its names; 3 is a `RowFields`. */
const ROW_VERSION = 3;
const READABLE_VERSIONS = [1, 2, ROW_VERSION];
const OLD_DELIVERY = { leadId: '', streamSequence: 0, attemptsBefore: 0 };

/** Values without their names take half the room, and are read in less than half the time. The id is the key. */
type RowFields = readonly [
  ou: string,
  fireId: string,
  sequenceId: string,
  leadId: string,
  streamSequence: number,
  channel: Channel,
  destination: string,
  state: DeliveryState,
  reason: string | null,
  attemptsMade: number,
  attemptsBefore: number,
  createdAtMs: number,
  dueAtMs: number | null,
  updatedAtMs: number,
  lastAttempt: AttemptFields | null,
];

type AttemptFields = readonly [
  number: number,
  startedAtMs: number,
  durationMs: number,
  outcome: Attempt['outcome'],
  status: number | null,
  error: string | null,
  response: string | null,
];

export function packDelivery({ delivery, lastAttempt }: DeliveryRow): Buffer {
  const fields: RowFields = [
    delivery.ou,
    delivery.fireId,
    delivery.sequenceId,
    delivery.leadId,
    delivery.streamSequence,
    delivery.channel,
    delivery.destination,
    delivery.state,
    delivery.reason,
    delivery.attemptsMade,
    delivery.attemptsBefore,
    delivery.createdAtMs,
    delivery.dueAtMs,
    delivery.updatedAtMs,
    lastAttempt === null ? null : fieldsOf(lastAttempt),
  ];
  return packRow(ROW_VERSION, fields);
}

/** Throws when the row is of a version that this program cannot read. */
export function unpackDelivery(id: DeliveryId, bytes: Uint8Array): DeliveryRow {
  const row = unpackRow<unknown>(bytes, READABLE_VERSIONS);
  if (bytes[0] === ROW_VERSION) return rowOf(id, row as RowFields);
  return { delivery: { ...OLD_DELIVERY, ...(row as Delivery) }, lastAttempt: null };
}

function rowOf(id: DeliveryId, fields: RowFields): DeliveryRow {
  const delivery: Delivery = {
    id,
    ou: fields[0],
    fireId: fields[1],
    sequenceId: fields[2],
    leadId: fields[3],
    streamSequence: fields[4],
    channel: fields[5],
    destination: fields[6],
    state: fields[7],
    reason: fields[8],
    attemptsMade: fields[9],
    attemptsBefore: fields[10],
    createdAtMs: fields[11],
    dueAtMs: fields[12],
    updatedAtMs: fields[13],
  };
  return { delivery, lastAttempt: fields[14] === null ? null : attemptOf(fields[14]) };
}

function fieldsOf(attempt: Attempt): AttemptFields {
  const { number, startedAtMs, durationMs, outcome, status, error, response } = attempt;
  return [number, startedAtMs, durationMs, outcome, status, error, response];
}

function attemptOf(fields: AttemptFields): Attempt {
  const [number, startedAtMs, durationMs, outcome, status, error, response] = fields;
  return { number, startedAtMs, durationMs, outcome, status, error, response };
}
