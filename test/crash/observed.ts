import { OUS } from './plannedMessages.ts';
import type { ProgramProcess } from './programProcess.ts';
import type { ReceivedRequest } from './received.ts';

/** A fire as the history shows it. */
export interface FireView {
  readonly id: string;
  readonly sequence_id: string;
  readonly sequence_name: string;
  readonly lead_id: string;
  readonly event_types: readonly string[];
  readonly fired_at: string;
  readonly late: boolean;
  readonly events: readonly {
    readonly id: string;
    readonly event_type: string;
    readonly created_at: string;
  }[];
  readonly delivery: string;
  readonly deliveries: readonly { readonly id: string }[];
}

export interface DeliveryView {
  readonly id: string;
  readonly fire_id: string;
  readonly sequence_id: string;
  readonly destination: string;
  readonly state: string;
  /** How many were made. */
  readonly attempts: number;
}

export interface RejectedView {
  readonly stream_sequence: number;
  readonly reason: string;
}

/** What an OU sees of itself. */
export interface History {
  readonly ou: string;
  readonly fires: readonly FireView[];
  readonly deliveries: readonly DeliveryView[];
  readonly rejected: readonly RejectedView[];
}

/** Everything that can be seen from outside when all is done. */
export interface Observed {
  readonly histories: readonly History[];
  readonly received: readonly ReceivedRequest[];
  /** Of each life of the program, the positions that its metrics told, in this order. */
  readonly positions: readonly (readonly number[])[];
  /** Where the lead states stood at the start of each life. */
  readonly loadedPositions: readonly number[];
  /** What the processes said of themselves that must not be. */
  readonly troubles: readonly string[];
}

const PAGE_ROWS = 100;

export async function readHistories(program: ProgramProcess): Promise<History[]> {
  const histories: History[] = [];
  for (const ou of OUS) {
    histories.push({
      ou,
      fires: await readAll<FireView>(program, ou, '/sequence-events', 'events'),
      deliveries: await readAll<DeliveryView>(program, ou, '/deliveries', 'deliveries'),
      rejected: await readAll<RejectedView>(program, ou, '/rejected-events', 'events'),
    });
  }
  return histories;
}

async function readAll<T>(program: ProgramProcess, ou: string, path: string, name: string): Promise<T[]> {
  const rows: T[] = [];
  for (let page = 1; ; page++) {
    const { status, body } = await program.request(ou, 'GET', `${path}?limit=${PAGE_ROWS}&page=${page}`);
    if (status !== 200) throw new Error(`GET ${path} was answered ${status}: ${JSON.stringify(body)}`);
    const { total, [name]: found } = body as { total: number } & Record<string, T[]>;
    rows.push(...(found as T[]));
    if (rows.length >= total || (found as T[]).length === 0) return rows;
  }
}
