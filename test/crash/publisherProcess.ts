import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type JetStreamClient } from 'nats';
import { plannedMessage } from './plannedMessages.ts';

/**
 * Publishes the planned messages at a steady rate, each until the stream has it, in a process of its own. The
 * indices of those are lines of a file, so that the next process goes on where this one was killed. SIGTERM
 * ends it once all that it has begun is stored.
 *
 *   node dist/test/crash/publisherProcess.js NATS_URL SEED MESSAGES_PER_SECOND FILE
 */

const UNDER_WAY_MAX = 200;
const ACKNOWLEDGEMENT_MS_MAX = 1_000;
const RETRY_PAUSE_MS = 50;
const TICK_MS = 5;

const [url = '', seedText, rateText, file = ''] = process.argv.slice(2);
const seed = Number(seedText);
const messagesPerSecond = Number(rateText);

// A number that a kill has cut in half ends here; the message that it then stands for is left out.
appendFileSync(file, '\n');
const stored = new Set(readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number));
let isEnding = false;
process.once('SIGTERM', () => {
  isEnding = true;
});

const nats = await connect({
  servers: url,
  waitOnFirstConnect: true,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 50,
});
const jetStream = nats.jetstream({ timeout: ACKNOWLEDGEMENT_MS_MAX });
const underWay = new Set<Promise<void>>();
const startedMs = performance.now();
let begun = 0;
for (let index = 0; !isEnding; index++) {
  if (stored.has(index)) continue;
  while (!isEnding && mustWait()) await sleep(TICK_MS);
  begun++;
  const work = publish(jetStream, index).finally(() => underWay.delete(work));
  underWay.add(work);
}
await Promise.all(underWay);
await nats.close();

function mustWait(): boolean {
  const dueMs = startedMs + (begun * 1_000) / messagesPerSecond;
  return underWay.size >= UNDER_WAY_MAX || performance.now() < dueMs;
}

/** The same message id each time: a message that is stored already is acknowledged and not stored again. */
async function publish(client: JetStreamClient, index: number): Promise<void> {
  const { messageId, subject, body } = plannedMessage(seed, index);
  for (;;) {
    try {
      await client.publish(subject, body(Date.now()), { msgID: messageId });
      appendFileSync(file, `${index}\n`);
      return;
    } catch {
      await sleep(RETRY_PAUSE_MS);
    }
  }
}
