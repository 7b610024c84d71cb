import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startNats, type TestServer, waitFor } from '../support/nats.ts';
import { Changer, type MadeChange, type UnansweredChange } from './changes.ts';
import { type Difference, differences } from './comparison.ts';
import { type Expected, expectedOf } from './expected.ts';
import { type Observed, readHistories } from './observed.ts';
import { LATENESS_SECONDS, OUS } from './plannedMessages.ts';
import { plannedStrikes } from './plannedStrikes.ts';
import { PublisherProcess, ReceiverProcess } from './processes.ts';
import { ProgramProcess } from './programProcess.ts';
import { readReceived } from './received.ts';
import { readStream, type StreamMessage } from './stream.ts';
import { type Kill, strike } from './strikes.ts';

export interface CampaignOptions {
  readonly seed: number;
  readonly kills: number;
  /** After this time no further kill is made. */
  readonly secondsMax: number;
}

export interface CampaignResult {
  readonly seed: number;
  readonly kills: readonly Kill[];
  /** Kills that cut off a checkpoint which had begun. */
  readonly checkpointsCutOff: number;
  readonly messages: readonly StreamMessage[];
  readonly changes: readonly MadeChange[];
  readonly unanswered: readonly UnansweredChange[];
  readonly expected: Expected;
  readonly observed: Observed;
  readonly differences: readonly Difference[];
  readonly seconds: number;
  /** Where data, logs and what was received lie; null when they are removed, as after a success. */
  readonly directory: string | null;
}

const MESSAGES_PER_SECOND = 200;
const POLL_MS = 100;
const SETTLE_MS_MAX = 120_000;
/** After the last kill, so that what follows a restart is seen too. */
const AFTERMATH_MS = 1_000;
const RETRIES = Array.from({ length: 31 }, () => '1s');

/**
 * Lets events and changes come in while the processes are killed and started again, as the seed plans it, and
 * compares what is there at the end with what the rules say of the stream. Which events there are and in what
 * order things are killed is in the seed; the moment at which it happens is the machine's.
 *
 * @throws Error that names the directory with data and logs, when it cannot be brought to its end.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const startedMs = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'sequence-triggers-crash-'));
  try {
    const evidence = await perform(directory, options);
    const { messages, changes, observed } = evidence;
    const expected = expectedOf(options.seed, messages, changes);
    const found = differences(expected, observed, changes);
    if (found.length === 0) rmSync(directory, { recursive: true, force: true });
    return {
      ...evidence,
      seed: options.seed,
      expected,
      differences: found,
      seconds: (performance.now() - startedMs) / 1_000,
      directory: found.length === 0 ? null : directory,
    };
  } catch (error) {
    throw new Error(`the campaign of seed ${options.seed} broke off; see ${directory}`, { cause: error });
  }
}

type Evidence = Omit<CampaignResult, 'seed' | 'expected' | 'differences' | 'seconds' | 'directory'>;

/** Starts everything, lets it happen, waits for the end of it and reads what there is to see; ends everything. */
async function perform(directory: string, { seed, kills, secondsMax }: CampaignOptions): Promise<Evidence> {
  mkdirSync(join(directory, 'nats'));
  const nats = await startNats({ directory: join(directory, 'nats') });
  const receiver = new ReceiverProcess(directory);
  const publisher = new PublisherProcess(directory, nats.url, seed, MESSAGES_PER_SECOND);
  const program = new ProgramProcess(directory, environment(nats));
  const watch = new PositionWatch(program);
  const changers = OUS.map((ou) => new Changer(program, seed, ou, () => receiver.url));
  const made: Kill[] = [];
  try {
    await receiver.start();
    await program.start();
    await waitFor('readiness', () => isReady(program));
    for (const changer of changers) await changer.prepare();
    await publisher.start();
    const watching = watch.run();
    const changing = Promise.all(changers.map((changer) => changer.run()));
    const striking = strike(
      plannedStrikes(seed, kills),
      { program, receiver, publisher, 'nats-server': nats },
      Date.now() + secondsMax * 1_000,
      (kill) => made.push(kill),
    );
    // The changes go on until they are stopped; if they end before, it is by an error.
    await Promise.race([changing, striking]);
    await sleep(AFTERMATH_MS);
    for (const changer of changers) changer.stop();
    await changing;
    await publisher.finish();
    await settled(program, nats);
    watch.stop();
    await watching;

    const messages = await readStream(await nats.connect(), 'EVENTS');
    const histories = await readHistories(program);
    await program.stop();
    return {
      kills: made,
      checkpointsCutOff: program.checkpointsCutOff,
      messages,
      changes: changers.flatMap(({ made }) => made),
      unanswered: changers.flatMap(({ unanswered }) => unanswered),
      observed: {
        histories,
        received: readReceived(receiver.file),
        positions: watch.positions,
        loadedPositions: program.loadedPositions,
        troubles: program.troubles,
      },
    };
  } finally {
    for (const changer of changers) changer.stop();
    watch.stop();
    await Promise.all([program.kill(), publisher.kill(), receiver.kill()]);
    program.close();
    await nats.stop();
  }
}

function environment(nats: TestServer): Record<string, string> {
  return {
    NATS_URL: nats.url,
    CHECKPOINT_INTERVAL_MS: '100',
    ALLOWED_LATENESS_SECONDS: String(LATENESS_SECONDS),
    RETRY_SCHEDULE: ['0s', ...RETRIES].join(','),
    WEBHOOK_CONCURRENCY: '128',
  };
}

async function isReady(program: ProgramProcess): Promise<boolean> {
  return (await fetch(`${program.url}/readyz`)).status === 200;
}

/** Waits until every message of the stream is applied and no delivery is under way any more. */
async function settled(program: ProgramProcess, nats: TestServer): Promise<void> {
  const manager = await (await nats.connect()).jetstreamManager();
  const isSettled = async () => {
    const { state } = await manager.streams.info('EVENTS');
    if (!(await isReady(program)) || (await positionOf(program)) !== state.last_seq) return false;
    const underWay = ['pending', 'retrying'].flatMap((status) =>
      OUS.map((ou) => program.request(ou, 'GET', `/deliveries?status=${status}&limit=1`)),
    );
    return (await Promise.all(underWay)).every(({ body }) => (body as { total: number }).total === 0);
  };
  await waitFor('the end of the stream and of all deliveries', isSettled, SETTLE_MS_MAX).catch(
    async (cause: unknown) => {
      const readiness = await fetch(`${program.url}/readyz`).then((answer) => answer.text(), String);
      const reasons = [...program.troubles, `/readyz says: ${readiness}`];
      throw new Error(`it does not come to its end: ${reasons.join('; ')}`, { cause });
    },
  );
}

async function positionOf({ url }: ProgramProcess): Promise<number> {
  const body = await (await fetch(`${url}/metrics`)).text();
  return Number(/^sequence_triggers_stream_position (\d+)/m.exec(body)?.[1] ?? Number.NaN);
}

/** Notes the position that the metrics tell, life by life. */
class PositionWatch {
  readonly positions: number[][] = [];
  readonly #program: ProgramProcess;
  #isStopping = false;

  constructor(program: ProgramProcess) {
    this.#program = program;
  }

  async run(): Promise<void> {
    for (let life = 0; !this.#isStopping; await sleep(POLL_MS)) {
      if (life !== this.#program.lives) this.positions.push([]);
      life = this.#program.lives;
      const position = await positionOf(this.#program).catch(() => undefined);
      if (position !== undefined && life === this.#program.lives) this.positions.at(-1)?.push(position);
    }
  }

  stop(): void {
    this.#isStopping = true;
  }
}
