import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import type { RunningProgram } from '../program.ts';
import { seededRandom } from '../random.ts';

const TYPES = 100;
const GOALS = 20;
const BACKGROUND_SEQUENCES = 180;
/** One event in so many begins a goal, and the next completes it. */
const EVENTS_PER_FIRE = 50;
/** One message in so many cannot be used. */
const EVENTS_PER_MALFORMED = 200;
/** Leads that take turns at any time; for every few events the oldest goes and a new one comes. */
const LEADS_PRESENT = 5_000;
const EVENTS_PER_NEW_LEAD = 5;
const API_PAUSE_MS = 1_000;

const MALFORMED = [
  'no JSON at all',
  '{"lead_id":"l"',
  '{"lead_id":7,"event_type":"type-1"}',
  '{"lead_id":"l"}',
  '{"lead_id":"l","event_type":"type-1","created_at":"2025-02-30T00:00:00Z"}',
  '[]',
];

/** What the load asked for, to be compared with what the program made of it. */
export interface LoadCounts {
  events: number;
  fires: number;
  malformed: number;
  apiCalls: number;
  /** Calls that were not answered with a 2xx, as sentences. */
  readonly apiFailures: string[];
}

/**
 * 200 sequences, whose windows are so short that what is held expires all the time: goals of two steps that send
 * webhooks, and others of skewed types that rarely complete.
 */
export async function createSequences(program: RunningProgram, webhookUrl: string): Promise<void> {
  const random = seededRandom(7);
  const type = () => `type-${Math.floor(TYPES * random() ** 2)}`;
  const goals = Array.from({ length: GOALS }, (_, goal) => ({
    name: `goal ${goal}`,
    event_types: [`begins-${goal}`, `completes-${goal}`],
    window_seconds: 10,
    ordered: true,
    webhook_url: webhookUrl,
  }));
  const background = Array.from({ length: BACKGROUND_SEQUENCES }, (_, index) => ({
    name: `background ${index}`,
    event_types: [type(), type(), 'never'],
    window_seconds: 1 + (index % 10),
    ordered: index % 2 === 0,
  }));
  await program.createAll('/sequences', [...goals, ...background]);
}

/** Publishes events at the rate until `until()`; what falls behind the schedule is made up for. */
export async function publishEvents(
  client: NatsConnection,
  rate: number,
  counts: LoadCounts,
  until: () => boolean,
): Promise<void> {
  const random = seededRandom(rate);
  const startMs = performance.now();
  let sent = 0;
  while (!until()) {
    const due = Math.floor(((performance.now() - startMs) / 1000) * rate);
    for (; sent < due; sent++) client.publish('events.default', message(sent, random, counts));
    await client.flush();
    await sleep(2);
  }
}

function message(index: number, random: () => number, counts: LoadCounts): string {
  counts.events++;
  const step = index % EVENTS_PER_FIRE;
  const goal = Math.floor(index / EVENTS_PER_FIRE);
  if (step === 0) return event(index, `goal-lead-${goal}`, `begins-${goal % GOALS}`);
  if (step === 1) {
    counts.fires++;
    return event(index, `goal-lead-${goal}`, `completes-${goal % GOALS}`);
  }
  if (index % EVENTS_PER_MALFORMED === EVENTS_PER_MALFORMED - 1) {
    return MALFORMED[counts.malformed++ % MALFORMED.length]!;
  }
  const lead = Math.floor(index / EVENTS_PER_NEW_LEAD) + Math.floor(random() * LEADS_PRESENT);
  return event(index, `lead-${lead}`, `type-${Math.floor(TYPES * random() ** 2)}`);
}

function event(index: number, leadId: string, type: string): string {
  return JSON.stringify({
    id: `event-${index}`,
    lead_id: leadId,
    event_type: type,
    created_at: new Date().toISOString(),
    metadata: { source: 'soak', page: index },
  });
}

/** What people and their scripts do beside: they list, edit, create, delete and ingest, once a second. */
export async function useApi(
  program: RunningProgram,
  counts: LoadCounts,
  until: () => boolean,
): Promise<void> {
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await program.request(method, path, body);
    const text = await answer.text();
    counts.apiCalls++;
    if (!answer.ok) counts.apiFailures.push(`${method} ${path}: ${answer.status} ${text.slice(0, 200)}`);
    return text === '' || !answer.ok ? {} : JSON.parse(text);
  };
  const { sequences } = (await call('GET', '/sequences')) as { sequences: { id: string; name: string }[] };
  const editable = sequences.filter(({ name }) => name.startsWith('background'));
  for (let round = 0; !until(); round++) {
    for (const path of ['/sequences', '/sequence-events', '/deliveries', '/rejected-events'])
      await call('GET', path);
    const edited = editable[round % editable.length]!;
    await call('PUT', `/sequences/${edited.id}`, { window_seconds: 1 + (round % 10) });
    const passing = { name: 'passing', event_types: ['type-1', 'never'], window_seconds: 5 };
    const { id } = (await call('POST', '/sequences', passing)) as { id?: string };
    if (id !== undefined) await call('DELETE', `/sequences/${id}`);
    const ingested = (step: string) => ({ id: step, lead_id: `ingested-${round}`, event_type: `${step}-0` });
    counts.fires++;
    await call('POST', '/ingest', { events: [ingested('begins'), ingested('completes')] });
    await sleep(API_PAUSE_MS);
  }
}
