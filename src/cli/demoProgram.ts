import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startProgram } from '../compose.ts';
import { givenKeys, loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { createLog } from '../telemetry/log.ts';
import { DemoClient } from './demoClient.ts';
import { type Mailbox, type ReceivedEmail, startMailbox } from './demoMailbox.ts';
import { type ReceivedFire, startReceiver, type WebhookReceiver } from './demoReceiver.ts';

export const DEMO_OU = 'default';

/** The whole program with a place for its webhooks and emails to go to, all on 127.0.0.1. */
export interface DemoProgram {
  readonly apiUrl: string;
  readonly token: string;
  readonly natsUrl: string;
  /** Subjects of the events stream, `<token>.>`. */
  readonly eventsSubject: string;
  readonly client: DemoClient;
  readonly receiver: WebhookReceiver;
  readonly dataDir: string;
  /** The data is of this run alone and goes with it; false: DATA_DIR is set. */
  readonly isDataRemoved: boolean;
  /** Drains the program, then ends the rest and removes the data where it is to be removed. */
  stop(): Promise<void>;
}

export interface DemoListener {
  onFire(fire: ReceivedFire): void;
  onEmail(email: ReceivedEmail): void;
  /** Something that is not as it should be, in a sentence. */
  onTrouble(message: string): void;
}

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 50;

/**
 * Starts it all on a data directory of its own, which is removed in the end, so that a demo touches the data of a
 * real installation only where DATA_DIR says so, and its NATS server never. Throws when a part does not start, and
 * leaves nothing behind but what it was told to keep.
 *
 * @param port null: HTTP_PORT where that is set, else any free one
 */
export async function startDemoProgram(port: number | null, listener: DemoListener): Promise<DemoProgram> {
  const undo: Array<() => Promise<void>> = [];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const { config: given, isDataRemoved } = await placeOfDemo(port);
    const { dataDir } = given;
    if (isDataRemoved) undo.push(() => rm(dataDir, { recursive: true, force: true }));
    const mailbox = await startMailbox((email) => listener.onEmail(email));
    undo.push(() => mailbox.close());
    const receiver = await startReceiver(
      (fire) => listener.onFire(fire),
      (reason) => listener.onTrouble(`refused a webhook: ${reason}`),
    );
    undo.push(() => receiver.close());
    const token = randomBytes(24).toString('base64url');
    const config = demoConfig(given, mailbox, token);
    const program = await startProgram(config, createLog({ level: config.logLevel, format: 'pretty' }));
    undo.push(() => program.stop());
    const apiUrl = `http://127.0.0.1:${program.httpPort}`;
    await untilReady(apiUrl);
    const { natsUrl } = program;
    const client = new DemoClient(apiUrl, token);
    const { eventsSubject } = config;
    return { apiUrl, token, natsUrl, eventsSubject, client, receiver, dataDir, isDataRemoved, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The configuration with a port and a directory, where these are not set. */
async function placeOfDemo(port: number | null): Promise<{ config: Config; isDataRemoved: boolean }> {
  const config = loadConfig();
  const given = givenKeys();
  const isDataRemoved = !given.has('DATA_DIR');
  const httpPort = port ?? (given.has('HTTP_PORT') ? config.httpPort : 0);
  const dataDir = isDataRemoved ? await mkdtemp(join(tmpdir(), 'sequence-triggers-demo-')) : config.dataDir;
  return { config: { ...config, httpPort, dataDir }, isDataRemoved };
}

/** The configuration as it is for `npm start`, but for what would reach out of the demo. */
function demoConfig(config: Config, mailbox: Mailbox, token: string) {
  return {
    ...config,
    httpHost: '127.0.0.1',
    natsUrl: null,
    natsPort: 0,
    apiTokens: [{ ou: DEMO_OU, token }],
    webhookAllowCidrs: ['127.0.0.0/8'],
    smtpUrl: mailbox.url,
    emailFrom: 'Sequence triggers <demo@example.com>',
    // Lines of information would bury the fires.
    logLevel: 'warn' as const,
  };
}

async function untilReady(apiUrl: string): Promise<void> {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const response = await fetch(`${apiUrl}/readyz`);
    const answer = await response.text();
    if (response.ok) return;
    if (Date.now() > deadlineMs) throw new Error(`the program does not get ready: ${answer}`);
    await pause(READY_POLL_MS);
  }
}
