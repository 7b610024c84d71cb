import { parentPort, workerData } from 'node:worker_threads';
import { Bundle } from './bundle.ts';
import type { SendResult } from './sender.ts';
import type { WebhookMessage } from './webhookMessage.ts';
import { type PlainSenderOptions, WebhookSender } from './webhookSender.ts';

/** An attempt to make, under a number that comes back with its result. Without names it is copied faster. */
export type Posting = readonly [
  number: number,
  destination: string,
  id: string,
  nowMs: number,
  body: string,
  secrets: readonly string[],
  isSample: boolean,
];
export type Posted = readonly [number: number, result: SendResult];

/**
 * The entry of the thread that webhooks are posted in. It hears lists of `Posting` and answers with lists of `Posted`,
 * in any order.
 */
const sender = WebhookSender.of(workerData as PlainSenderOptions);
/** Attempts are cut off with the thread. */
const { signal } = new AbortController();
const posted = new Bundle<Posted>((results) => parentPort?.postMessage(results));

parentPort?.on('message', (postings: readonly Posting[]) => {
  for (const [number, destination, id, nowMs, body, secrets, isSample] of postings) {
    void post(number, { destination, id, nowMs, body, secrets, isSample });
  }
});

async function post(number: number, message: WebhookMessage): Promise<void> {
  posted.add([number, await sender.post(message, signal)]);
}
