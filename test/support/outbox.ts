import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Channel, Delivery } from '../../src/model/delivery.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { Milestone } from '../../src/model/milestone.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import type { Trigger } from '../../src/model/trigger.ts';
import { parseCidrs } from '../../src/outbox/addressGuard.ts';
import { EmailSender } from '../../src/outbox/emailSender.ts';
import type { OutboxOptions } from '../../src/outbox/options.ts';
import { Outbox } from '../../src/outbox/outbox.ts';
import { planDeliveries } from '../../src/outbox/plan.ts';
import type { Log } from '../../src/outbox/ports.ts';
import type { Outgoing, Sender, SendResult } from '../../src/outbox/sender.ts';
import { WebhookSender, type WebhookSenderOptions } from '../../src/outbox/webhookSender.ts';
import { DeliveryStore } from '../../src/store/deliveries.ts';
import { DestinationStore } from '../../src/store/destinations.ts';
import { type Environment, openEnvironment } from '../../src/store/environment.ts';
import { FireStore } from '../../src/store/fires.ts';

export const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
export const LOOPBACK = parseCidrs(['127.0.0.0/8', '::1/128']);
const WAIT_MS_MAX = 20_000;

/** Resolves when the condition holds; rejects with its source when it does not within a generous time. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = Date.now() + WAIT_MS_MAX;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`never came true: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function aSequence(change: Partial<Sequence> = {}): Sequence {
  return {
    ou: 'acme',
    id: 'seq-1',
    name: 'Trial to paid',
    eventTypes: ['signup', 'purchase'],
    exclude: [],
    windowSeconds: 3600,
    windowUnit: '1 hour',
    ordered: true,
    maxGapSeconds: null,
    webhookUrl: null,
    webhookSecret: SECRET,
    previousWebhookSecrets: [],
    emails: [],
    emailSubject: null,
    emailPreheader: null,
    emailMessage: null,
    active: true,
    refire: { mode: 'every' },
    maxFireDelaySeconds: null,
    effectiveFrom: 0,
    version: 1,
    createdAtMs: 0,
    updatedAtMs: 0,
    ...change,
  };
}

export function aMilestone(change: Partial<Milestone> = {}): Milestone {
  return {
    kind: 'milestone',
    ou: 'acme',
    id: 'trg-1',
    name: 'Hot lead',
    scoreThreshold: 100,
    eventType: null,
    webhookUrl: null,
    webhookSecret: SECRET,
    previousWebhookSecrets: [],
    emails: [],
    emailSubject: null,
    emailPreheader: null,
    emailMessage: null,
    active: true,
    refire: { mode: 'once_per_lead' },
    effectiveFrom: 0,
    version: 1,
    createdAtMs: 0,
    updatedAtMs: 0,
    ...change,
  };
}

/** The fire of `aMilestone`. */
export function aMilestoneFire(change: Partial<Fire> = {}): Fire {
  const event = { id: 'e1', type: 'signup', timeMicros: 1_714_557_660_250_000 };
  return aFire({
    sequenceId: 'trg-1',
    sequenceName: 'Hot lead',
    eventTypes: [event.type],
    events: [event],
    milestone: { score: 120, scoreThreshold: 100 },
    ...change,
  });
}

export function aFire(change: Partial<Fire> = {}): Fire {
  return {
    id: 'fire-1',
    ou: 'acme',
    sequenceId: 'seq-1',
    sequenceName: 'Trial to paid',
    sequenceVersion: 1,
    leadId: 'lead-1',
    eventTypes: ['signup', 'purchase'],
    events: [
      { id: 'e1', type: 'signup', timeMicros: 1_714_557_600_000_000 },
      { id: 'e2', type: 'purchase', timeMicros: 1_714_557_660_250_000 },
    ],
    completedAtMicros: 1_714_557_660_250_000,
    firedAtMicros: 1_714_557_661_000_000,
    streamSequence: 2,
    late: false,
    stale: false,
    isSample: false,
    ...change,
  };
}

export function aDelivery(change: Partial<Delivery> & { readonly channel?: Channel } = {}): Delivery {
  return {
    id: 'del-1',
    ou: 'acme',
    fireId: 'fire-1',
    sequenceId: 'seq-1',
    leadId: 'lead-1',
    streamSequence: 2,
    channel: 'webhook',
    destination: 'https://example.com/hook',
    state: 'pending',
    reason: null,
    attemptsMade: 0,
    attemptsBefore: 0,
    createdAtMs: 1000,
    dueAtMs: 1000,
    updatedAtMs: 1000,
    ...change,
  };
}

/** A webhook sender that may reach the loopback, and nothing else that is private. */
export function aWebhookSender(change: Partial<WebhookSenderOptions> = {}): WebhookSender {
  return new WebhookSender({ version: '9.9.9', timeoutMs: 15_000, allowedCidrs: LOOPBACK, ...change });
}

/** One attempt at a webhook to this URL. */
export function sendTo(
  sender: Sender,
  url: string,
  { fire = aFire(), sequence = aSequence(), nowMs = Date.now() }: Partial<Outgoing> = {},
  signal = new AbortController().signal,
): Promise<SendResult> {
  return sender.send({ delivery: aDelivery({ destination: url }), fire, sequence, nowMs }, signal);
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

export function aLog(lines: LogLine[] = []): Log {
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A data directory, and a process that opens and closes it as often as a test wants. */
export function aDataDir(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'sequence-triggers-outbox-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** @param wrap stands between the stores and the environment, for tests that delay the disk */
export function openStores(path: string, wrap: (environment: Environment) => Environment = (same) => same) {
  const environment = wrap(openEnvironment(path));
  const deliveries = new DeliveryStore(environment);
  const fires = new FireStore(environment, deliveries);
  return { environment, deliveries, fires, destinations: new DestinationStore(environment) };
}

export type Stores = ReturnType<typeof openStores>;

export interface OutboxSetup {
  readonly sequences: readonly Trigger[];
  readonly smtpUrl?: string;
  readonly timeoutMs?: number;
  readonly allowLoopback?: boolean;
  readonly overrides?: Partial<OutboxOptions>;
  readonly lines?: LogLine[];
}

/** An outbox with real senders on real stores; retries follow at once unless told otherwise. */
export function anOutbox(stores: Stores, setup: OutboxSetup): Outbox {
  const { sequences, smtpUrl, timeoutMs = 15_000, allowLoopback = true, overrides = {}, lines } = setup;
  return new Outbox({
    queue: stores.deliveries,
    destinations: stores.destinations,
    fires: stores.fires,
    sequenceOf: (ou, id) => sequences.find((sequence) => sequence.ou === ou && sequence.id === id),
    webhookSender: aWebhookSender({ timeoutMs, allowedCidrs: allowLoopback ? LOOPBACK : [] }),
    emailSender:
      smtpUrl === undefined
        ? null
        : new EmailSender({ smtpUrl, from: 'Triggers <triggers@example.com>', timeoutMs }),
    retryDelaysMs: [0, 10, 10, 10],
    log: aLog(lines),
    metrics: { onAttempt: () => {} },
    random: () => 0.5,
    ...overrides,
  });
}

/** Commits fires as the engine does, and wakes the outbox once they are on disk. */
export async function fireAll(
  stores: Stores,
  outbox: Outbox | null,
  sequence: Trigger,
  fires: readonly Fire[],
  emailConfigured = true,
): Promise<readonly Delivery[]> {
  const entries = fires.map((fire) => ({
    fire,
    deliveries: planDeliveries(fire, sequence, { emailConfigured, nowMs: Date.now() }),
  }));
  const added = await stores.fires.commitFires(entries).flushed;
  outbox?.wake(added);
  return added;
}
