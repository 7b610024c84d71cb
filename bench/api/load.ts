import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'undici';
import { Durations } from '../matcher/durations.ts';

/** One kind of request. `next` gives the path and the body of the n-th. */
export interface Operation {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly status: number;
  readonly token: string;
  /** How many of the thing that counts (requests, events) one request stands for. */
  readonly weight: number;
  /** Requests per second at which the latency is measured. */
  readonly offered: number;
  next(index: number): { readonly path: string; readonly body?: string };
}

/** What a server did with requests. */
export interface Load {
  readonly requests: number;
  readonly seconds: number;
  /** Microseconds. */
  readonly latencies: Durations;
}

/** As fast as the answers come, with so many requests under way. */
export async function closedLoop(
  pool: Pool,
  operation: Operation,
  underWay: number,
  seconds: number,
): Promise<Load> {
  const latencies = new Durations();
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  let requests = 0;
  const worker = async () => {
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      await send(pool, operation, requests++);
      latencies.add((performance.now() - sentMs) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: underWay }, worker));
  return { requests, seconds: (performance.now() - startedMs) / 1_000, latencies };
}

/**
 * At a fixed rate. A latency counts from the moment at which the schedule wanted the request sent, so that a delay
 * of the one before does not hide (no coordinated omission).
 */
export async function openLoop(pool: Pool, operation: Operation, seconds: number): Promise<Load> {
  const latencies = new Durations();
  const startedMs = performance.now();
  const requests = Math.max(1, Math.round(seconds * operation.offered));
  const answers: Promise<void>[] = [];
  for (let index = 0; index < requests; index++) {
    const dueMs = startedMs + (index / operation.offered) * 1_000;
    while (performance.now() < dueMs) await sleep(Math.max(1, dueMs - performance.now()));
    answers.push(send(pool, operation, index).then(() => latencies.add((performance.now() - dueMs) * 1_000)));
  }
  await Promise.all(answers);
  return { requests, seconds: (performance.now() - startedMs) / 1_000, latencies };
}

/** @throws Error with the answer when it is not the one that is expected. */
async function send(pool: Pool, operation: Operation, index: number): Promise<void> {
  const { path, body } = operation.next(index);
  const headers = { authorization: `Bearer ${operation.token}`, 'content-type': 'application/json' };
  const answer = await pool.request({ method: operation.method, path, headers, body: body ?? null });
  const bytes = await answer.body.arrayBuffer();
  if (answer.statusCode === operation.status) return;
  const text = Buffer.from(bytes).toString();
  throw new Error(`${operation.method} ${path} answered ${answer.statusCode}: ${text.slice(0, 1_000)}`);
}
