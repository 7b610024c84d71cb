import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { JetStreamManager, NatsConnection } from 'nats';
import { startNats, type TestServer, type TestServerOptions, temporaryDirectory, waitFor } from './nats.ts';
import {
  allFires,
  metricOf,
  positionOf,
  type RunningProgram,
  readinessOf,
  startProgram,
  TOKEN,
  temporaryDataDir,
} from './program.ts';
import { type ReceivedRequest, type Receiver, startReceiver } from './receivers.ts';

/** How a stage stood when it was kept, for others that go on from there with copies of it. */
export interface Past {
  /** Copies of the stores of server and program. */
  readonly serverStore: string;
  readonly dataDir: string;
  readonly sequenceId: string;
  readonly requests: readonly ReceivedRequest[];
}

export interface StageOptions extends TestServerOptions {
  /** One of the caller's, which outlives the stage; the sequence of a past names it. */
  readonly receiver?: Receiver;
  /** Where to go on from. */
  readonly past?: Past;
}

/**
 * The whole program on a real server, with a sequence `first` → `second` whose fires go to a real receiver. Leads
 * stand for what is to be checked: each that has both events fires once, whatever happens to the stream.
 */
export class Stage {
  readonly nats: TestServer;
  readonly receiver: Receiver;
  readonly client: NatsConnection;
  readonly manager: JetStreamManager;
  readonly dataDir = temporaryDataDir();
  sequenceId = '';
  readonly #options: StageOptions;
  #program: RunningProgram | undefined;
  #natsUrl: string;

  private constructor(
    nats: TestServer,
    receiver: Receiver,
    client: NatsConnection,
    manager: JetStreamManager,
    options: StageOptions,
  ) {
    this.#options = options;
    this.nats = nats;
    this.receiver = receiver;
    this.client = client;
    this.manager = manager;
    this.#natsUrl = nats.url;
  }

  static async open(options: StageOptions = {}): Promise<Stage> {
    const { past } = options;
    const directory = await temporaryDirectory('stage');
    if (past !== undefined) cpSync(past.serverStore, directory, { recursive: true });
    const nats = await startNats({ ...options, directory });
    const client = await nats.connect();
    const receiver = options.receiver ?? (await startReceiver());
    const stage = new Stage(nats, receiver, client, await client.jetstreamManager(), options);
    if (past === undefined) return stage;
    receiver.requests.splice(0, receiver.requests.length, ...past.requests);
    cpSync(past.dataDir, stage.dataDir.path, { recursive: true });
    stage.sequenceId = past.sequenceId;
    return stage;
  }

  /** Keeps copies of how it stands; the program has to be stopped, and the server is when it resolves. */
  async keepPast(directory: string): Promise<Past> {
    await this.nats.kill('SIGTERM');
    const serverStore = join(directory, 'server');
    const dataDir = join(directory, 'data');
    cpSync(this.nats.directory, serverStore, { recursive: true });
    cpSync(this.dataDir.path, dataDir, { recursive: true });
    return { serverStore, dataDir, sequenceId: this.sequenceId, requests: [...this.receiver.requests] };
  }

  get program(): RunningProgram {
    if (this.#program === undefined) throw new Error('the program was not started');
    return this.#program;
  }

  /** The program connects to this URL from now on, such as that of a proxy, or with credentials. */
  connectVia(url: string): void {
    this.#natsUrl = url;
  }

  /** Starts the program, and makes the sequence where there is none. `ready: false` does not wait for readiness. */
  async start(env: Record<string, string> = {}, { ready = true } = {}): Promise<RunningProgram> {
    const NATS_URL = this.#natsUrl;
    this.#program = await startProgram({ dataDir: this.dataDir.path, env: { NATS_URL, ...env }, ready });
    if (ready && this.sequenceId === '') await this.createSequence();
    return this.#program;
  }

  async createSequence(): Promise<void> {
    const { id } = await this.program.call<{ id: string }>('POST', '/sequences', {
      name: 'two steps',
      event_types: ['first', 'second'],
      window_seconds: 3600,
      ordered: true,
      webhook_url: `${this.receiver.url}/hook`,
    });
    this.sequenceId = id;
  }

  /**
   * Publishes an event under the id `<lead>-<type>` and waits until the server has stored it; a server that has
   * just been started may not take it at once.
   */
  async publish(lead: string, type: string, subject = 'events.default'): Promise<void> {
    const id = `${lead}-${type}`;
    const event = JSON.stringify({ id, lead_id: lead, event_type: type });
    await waitFor(`the server to store ${id}`, async () => {
      await this.client.jetstream().publish(subject, event, { msgID: id });
      return true;
    });
  }

  /** Publishes both events of each lead. */
  async publishBoth(...leads: readonly string[]): Promise<void> {
    for (const lead of leads) {
      await this.publish(lead, 'first');
      await this.publish(lead, 'second');
    }
  }

  /** Posts an event to the API, and gives back the answer whatever it is. */
  async ingest(lead: string, type: string): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(`${this.program.url}/ingest`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ id: `${lead}-${type}`, lead_id: lead, event_type: type }),
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** How many events the stream holds. */
  async storedMessages(): Promise<number> {
    return (await this.manager.streams.info('EVENTS')).state.messages;
  }

  /** Leads that fired, one entry for each fire, sorted. */
  async fired(): Promise<string[]> {
    return (await allFires(this.program, this.sequenceId)).map(({ lead_id }) => lead_id).sort();
  }

  /** Waits until the lead has fired. */
  async waitForFire(lead: string): Promise<void> {
    await waitFor(`the fire of ${lead}`, async () => (await this.fired()).includes(lead));
  }

  /** Waits until the effects of every message up to this position are committed, and checks that it goes no further. */
  async waitForPosition(position: number): Promise<void> {
    await waitFor(`position ${position}`, async () => (await positionOf(this.program)) >= position);
    const reached = await positionOf(this.program);
    if (reached !== position) throw new Error(`the position is ${reached} instead of ${position}`);
  }

  /** Waits until the receiver has got so many fires, and checks that it got no other. */
  async waitForFiresReceived(count: number): Promise<void> {
    await waitFor(`${count} fires received`, () => new Set(this.webhookIds).size >= count);
    const received = new Set(this.webhookIds).size;
    if (received !== count) throw new Error(`${received} fires were received instead of ${count}`);
  }

  /** Waits until `/readyz` answers 503 with a reason that matches. */
  waitForTrouble(reason: RegExp) {
    return waitFor(`a reason such as ${reason}`, async () => {
      const found = await readinessOf(this.program);
      return found.status === 503 && reason.test(found.reasons) ? found : undefined;
    });
  }

  /** Waits until `/readyz` answers 200. */
  waitForReadiness() {
    return waitFor('readiness', async () => {
      const found = await readinessOf(this.program);
      return found.status === 200 ? found : undefined;
    });
  }

  /** Usable events that this process has applied, by what became of them. */
  applied(outcome: 'held' | 'duplicate' | 'unlisted' | 'replayed'): Promise<number> {
    return metricOf(this.program, `events_total{outcome="${outcome}"}`);
  }

  /** `webhook-id` of every request that the receiver got, in order. */
  get webhookIds(): string[] {
    return this.receiver.requests.map(({ headers }) => String(headers['webhook-id']));
  }

  /** Keeps a copy of a directory, and gives a function that puts it back in its place. */
  keepCopy(directory: string): () => void {
    const copy = `${this.dataDir.path}-copy-${directory.replaceAll('/', '_')}`;
    cpSync(directory, copy, { recursive: true });
    this.#copies.push(copy);
    return () => {
      rmSync(directory, { recursive: true, force: true });
      cpSync(copy, directory, { recursive: true });
    };
  }

  readonly #copies: string[] = [];

  /** The directory of the lead states. */
  get states(): string {
    return join(this.dataDir.path, 'lmdb');
  }

  async close(): Promise<void> {
    // A stop waits for requests on their way; tests that are about it stop the program themselves.
    await this.#program?.kill();
    await this.nats.stop();
    if (this.#options.receiver === undefined) await this.receiver.close();
    this.dataDir.remove();
    rmSync(this.nats.directory, { recursive: true, force: true });
    for (const copy of this.#copies) rmSync(copy, { recursive: true, force: true });
  }
}
