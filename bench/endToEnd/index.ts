import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchReport } from '../report.ts';
import { type ConsumerStage, runConsumer } from './consumerProcess.ts';
import { publishEvents, startEventServer } from './eventServer.ts';
import { prepareDataDir, runProgram } from './programRun.ts';
import { startReceiver } from './receiver.ts';
import { takeTurns } from './rounds.ts';
import { fireRows, stageRows, throughputRows } from './tables.ts';
import { cardOf, firesOfMatcher } from './workload.ts';

const ROUNDS = 5;
/** The longest that the configuration allows, so that no checkpoint falls into the run. */
const NO_CHECKPOINTS = { CHECKPOINT_INTERVAL_MS: '600000' };

/**
 * How fast the whole program reads a full stream, beside consumers that do nothing with it, and where the
 * time between them goes. The stream is on a nats-server of its own, filled before anything is measured; each
 * reader is a process of its own and runs alone. All take turns in rounds, every other round in reverse.
 *
 * @param scale of the events, the leads and the rounds; 1 is a million events and five rounds.
 */
export async function benchEndToEnd(scale: number): Promise<BenchReport> {
  const card = cardOf(scale);
  const directory = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const silentDir = join(directory, 'without-destination');
  const webhookDir = join(directory, 'with-webhook');
  const server = await startEventServer(directory);
  const receiver = await startReceiver();
  try {
    // The stream must be empty while the sequences are created, so that all of its events come after them.
    await prepareDataDir(silentDir, server.url, card, null);
    await prepareDataDir(webhookDir, server.url, card, receiver.url);
    const payloadBytes = await publishEvents(server.url, card);
    const expected = firesOfMatcher(card);
    const consumer = (stage: ConsumerStage) => () => runConsumer(stage, server.url, scale);
    const program = async (preparedDir: string, env = {}, settled?: () => Promise<void>) => {
      const usage = await runProgram(preparedDir, server.url, card, env, settled);
      if (usage.hash !== expected.hash)
        throw new Error(`the program fired ${usage.fires} times, not as expected`);
      return usage;
    };
    const readers = {
      noop: consumer('noop'),
      parse: consumer('parse'),
      receive: consumer('receive'),
      decode: consumer('decode'),
      match: consumer('match'),
      programWithoutCheckpoints: () => program(silentDir, NO_CHECKPOINTS),
      program: () => program(silentDir),
      programWithWebhooks: () => {
        receiver.forget();
        return program(webhookDir, {}, () => receiver.received(expected.fires));
      },
    };
    const runs = await takeTurns(readers, Math.ceil(ROUNDS * scale), server);
    return {
      name: 'endToEnd',
      tables: [
        {
          title: `${card.events} events of ${Math.round(payloadBytes)} bytes, ${card.leads} leads, ${card.sequences} sequences`,
          rows: throughputRows(runs, card.events),
        },
        { title: 'seconds per million events by stage, medians', rows: stageRows(runs, card.events) },
        { title: 'fires', rows: fireRows(runs, expected) },
      ],
    };
  } finally {
    receiver.close();
    await server.close();
    rmSync(directory, { recursive: true });
  }
}
