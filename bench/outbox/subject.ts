import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sequence } from '../../src/model/sequence.ts';
import type { OutboxOptions } from '../../src/outbox/options.ts';
import { Outbox } from '../../src/outbox/outbox.ts';
import type { Sender } from '../../src/outbox/sender.ts';
import { ThreadedSender } from '../../src/outbox/threadedSender.ts';
import { DeliveryStore } from '../../src/store/deliveries.ts';
import { DestinationStore } from '../../src/store/destinations.ts';
import { type Environment, openEnvironment } from '../../src/store/environment.ts';
import { FireStore } from '../../src/store/fires.ts';
import { FreshFires } from '../../src/store/freshFires.ts';
import { StateStore } from '../../src/store/states.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { Durations } from '../matcher/durations.ts';

/** As many fires as the engine commits together. */
export const FIRES_PER_COMMIT = 250;

/** Writes to the store since `forget`. */
export class WriteStatistics {
  /** Time in the steps of transactions, which the main thread spends. */
  stepMs = 0;
  count = 0;
  /** From asking for a write until it is committed. */
  waits = new Durations();

  forget(): void {
    this.stepMs = 0;
    this.count = 0;
    this.waits = new Durations();
  }

  /** The same environment, with its writes observed. */
  observe(environment: Environment): Environment {
    return { ...environment, write: (step) => this.#write(environment, step) };
  }

  async #write<T>(environment: Environment, step: () => T): Promise<T> {
    const askedMs = performance.now();
    const value = await environment.write(() => {
      const startedMs = performance.now();
      try {
        return step();
      } finally {
        this.stepMs += performance.now() - startedMs;
      }
    });
    this.count += 1;
    this.waits.add((performance.now() - askedMs) * 1_000);
    return value;
  }
}

/** The stores as the program has them, on a directory of their own. */
export class Stores {
  readonly environment: Environment;
  readonly deliveries: DeliveryStore;
  readonly fires: FreshFires;
  readonly states: StateStore;
  readonly writes = new WriteStatistics();

  constructor(dataDir: string) {
    this.environment = this.writes.observe(openEnvironment(dataDir));
    this.deliveries = new DeliveryStore(this.environment);
    this.fires = new FreshFires(new FireStore(this.environment, this.deliveries));
    this.states = new StateStore(this.environment);
  }

  async addSequences(sequences: readonly Sequence[]): Promise<void> {
    const changes = sequences.map((after) =>
      this.states.recordChange({ position: 0, before: null, after }, null),
    );
    await Promise.all(changes);
  }

  /** Transactions so far. */
  get commits(): number {
    return (this.environment.root.getStats() as { lastTxnId: number }).lastTxnId;
  }
}

/** Runs the work on a data directory that is removed afterwards. */
export async function withDataDir<T>(work: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
  const remove = () => rmSync(dataDir, { recursive: true, force: true });
  // A process that is interrupted does not come to the end of this function.
  process.once('exit', remove);
  try {
    return await work(dataDir);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

const senders = new Map<number, Sender>();

/** As the program has it. Its thread goes on, also after `close`, so that what warms up warms up for all runs. */
export function webhookSender(timeoutMs: number): Sender {
  const known = senders.get(timeoutMs);
  const sender = known ?? new ThreadedSender({ version: '0.0.0', timeoutMs, allowedCidrs: ['127.0.0.0/8'] });
  senders.set(timeoutMs, sender);
  return { send: (outgoing, signal) => sender.send(outgoing, signal), close: async () => {} };
}

/**
 * An outbox as the program has it, with its log (a line per attempt to standard output) and its metrics.
 *
 * @param onDelivered called when a success is committed
 */
export function outboxOn(
  stores: Stores,
  sender: Sender,
  retryDelaysMs: readonly number[],
  onDelivered: () => void,
  overrides: Partial<OutboxOptions> = {},
): Outbox {
  const metrics = createMetrics();
  // In memory, as those of the catalog are.
  const sequences = new Map(stores.states.allTriggers().map((each) => [`${each.ou}/${each.id}`, each]));
  return new Outbox({
    queue: stores.deliveries,
    destinations: new DestinationStore(stores.environment),
    fires: stores.fires,
    sequenceOf: (ou, id) => sequences.get(`${ou}/${id}`),
    webhookSender: sender,
    emailSender: null,
    retryDelaysMs,
    log: createLog({ level: 'info', format: 'json' }).child({}, { redact: [] }),
    metrics: {
      onAttempt: ({ channel, outcome, host, durationMs }) => {
        metrics.onAttempt(channel, outcome, host, durationMs / 1_000);
        if (outcome === 'delivered') onDelivered();
      },
    },
    ...overrides,
  });
}

/** The same sender, with the duration of each attempt noted. */
export function timed(sender: Sender, attempts: Durations): Sender {
  return {
    send: async (outgoing, signal) => {
      const startedMs = performance.now();
      const result = await sender.send(outgoing, signal);
      attempts.add((performance.now() - startedMs) * 1_000);
      return result;
    },
    close: () => sender.close(),
  };
}
