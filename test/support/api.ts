import { createApp } from '../../src/api/app.ts';
import type { CatalogPort, IngestEvent, MilestonePort, ScoreStanding } from '../../src/api/catalogPorts.ts';
import type {
  AnswerPort,
  ApiPorts,
  DestinationPort,
  FireFilters,
  KeptAnswer,
  ListPlace,
  Part,
  RedeliverQuery,
  RedeliveryPort,
  RejectedEvent,
  TokenPort,
} from '../../src/api/ports.ts';
import { newBackfill } from '../../src/engine/backfills.ts';
import type { Backfill, BackfillWish } from '../../src/model/backfill.ts';
import type { Attempt, Delivery } from '../../src/model/delivery.ts';
import type { DestinationStatus } from '../../src/model/destination.ts';
import type { Fire } from '../../src/model/fire.ts';
import type { Milestone } from '../../src/model/milestone.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import type { TokenInfo } from '../../src/model/token.ts';
import { type InsightWorld, memoryInsight, memorySimulation } from './memoryInsight.ts';

/** The tokens of the in-memory ports, both of the role admin: two OUs. */
export const TOKEN_ONE = 'st_one';
export const TOKEN_TWO = 'st_two';
export const START_MS = Date.UTC(2026, 0, 1);

export interface LogLine {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

/** What the in-memory ports hold; tests read and change it freely. */
export interface World extends InsightWorld {
  nowMs: number;
  /** By their text. */
  readonly tokens: Map<string, TokenInfo>;
  /** Answers that are kept for an Idempotency-Key, by token id and key. */
  readonly answers: Map<string, KeptAnswer>;
  readonly sequences: Map<string, Sequence>;
  readonly milestones: Map<string, Milestone>;
  /** By lead. */
  readonly scoreStandings: Map<string, ScoreStanding>;
  /** Those asked for, by OU and sequence id; they stay as they are. */
  readonly backfills: Map<string, Backfill>;
  catalogAvailable: boolean;
  catalogWrites: number;
  readonly published: { ou: string; events: readonly IngestEvent[] }[];
  streamAvailable: boolean;
  fires: Fire[];
  deliveries: Delivery[];
  attempts: Map<string, Attempt[]>;
  rejected: { ou: string; event: RejectedEvent }[];
  destinations: DestinationStatus[];
  /** What stands in the way of sending the delivery with this id again. */
  readonly obstacles: Map<string, 'under_way' | 'held'>;
  /** How many deliveries are taken by one call. */
  redeliveredMax: number;
  readonly redeliveries: RedeliverQuery[];
  /** By fire id. */
  readonly samples: Map<string, readonly Delivery[]>;
  readonly log: LogLine[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined where there is none. */
  readonly json: JsonObject;
}
export type JsonObject = { readonly [key: string]: unknown };

function filteredFires(world: World, ou: string, filters: FireFilters): readonly Fire[] {
  const { kind, sequenceId, leadId, fromMicros, toMicros } = filters;
  return world.fires
    .filter((fire) => fire.ou === ou && (fire.milestone === undefined) === (kind === undefined))
    .filter((fire) => sequenceId === undefined || fire.sequenceId === sequenceId)
    .filter((fire) => leadId === undefined || fire.leadId === leadId)
    .filter((fire) => fromMicros === undefined || fire.firedAtMicros >= fromMicros)
    .filter((fire) => toMicros === undefined || fire.firedAtMicros <= toMicros)
    .sort((one, other) => other.firedAtMicros - one.firedAtMicros || (one.id < other.id ? 1 : -1));
}

function placeOfFire({ firedAtMicros, id }: Fire): ListPlace {
  return { time: firedAtMicros, id };
}

/** A part of what is sorted already. */
function partOf<T>(
  sorted: readonly T[],
  { page, limit, after }: Part,
  placeOf: (entry: T) => ListPlace,
): { entries: readonly T[]; next: ListPlace | null } {
  const isBehind = (entry: T) => {
    const { time, id } = placeOf(entry);
    return after === null || time < after.time || (time === after.time && id < after.id);
  };
  const rest = sorted.filter(isBehind).slice(after === null ? (page - 1) * limit : 0);
  const entries = rest.slice(0, limit);
  const last = entries.at(-1);
  return { entries, next: last === undefined || rest.length <= limit ? null : placeOf(last) };
}

/** The ports in memory, with the parts that a test replaces. */
export function memoryPorts(replaced: Partial<ApiPorts> = {}): { ports: ApiPorts; world: World } {
  const world: World = {
    nowMs: START_MS,
    tokens: new Map([
      [TOKEN_ONE, aToken({ id: 'tok-one' })],
      [TOKEN_TWO, aToken({ id: 'tok-two', ou: 'two' })],
    ]),
    answers: new Map(),
    sequences: new Map(),
    milestones: new Map(),
    scoreStandings: new Map(),
    backfills: new Map(),
    catalogAvailable: true,
    catalogWrites: 0,
    published: [],
    streamAvailable: true,
    fires: [],
    deliveries: [],
    attempts: new Map(),
    rejected: [],
    destinations: [],
    obstacles: new Map(),
    redeliveredMax: 10_000,
    redeliveries: [],
    samples: new Map(),
    simulations: [],
    standings: new Map(),
    log: [],
  };
  const log = (level: string) => (fields: object, message: string) => {
    world.log.push({ level, fields: { ...fields }, message });
  };
  const ports: ApiPorts = {
    tokens: memoryTokens(world),
    answers: memoryAnswers(world),
    catalog: memoryCatalog(world, replaced.sequencesPerOuMax ?? 10_000),
    milestones: memoryMilestones(world, replaced.sequencesPerOuMax ?? 10_000),
    publish: async (ou, events) => {
      if (!world.streamAvailable) return { ok: false, reason: 'unavailable', isTooLarge: false };
      if (events.some(({ id }) => id === 'too-large'))
        return { ok: false, reason: 'event too-large: no', isTooLarge: true };
      world.published.push({ ou, events });
      return { ok: true };
    },
    fires: {
      listFires: (ou, query) => {
        const fires = filteredFires(world, ou, query);
        const { entries, next } = partOf(fires, query, placeOfFire);
        return { fires: entries, total: fires.length, next };
      },
      readFires: (ou, filters, after, limit) => {
        const part = { page: 1, limit, after };
        const { entries, next } = partOf(filteredFires(world, ou, filters), part, placeOfFire);
        const deliveriesOf = ({ id }: Fire) => world.deliveries.filter(({ fireId }) => fireId === id);
        return { fires: entries.map((fire) => ({ fire, deliveries: deliveriesOf(fire) })), next };
      },
      fire: (ou, id) => world.fires.find((fire) => fire.ou === ou && fire.id === id),
      deliveriesOf: (ou, id) => world.deliveries.filter((each) => each.ou === ou && each.fireId === id),
    },
    deliveries: {
      listDeliveries: (ou, { status, sequenceId, ...part }) => {
        const deliveries = world.deliveries
          .filter((delivery) => delivery.ou === ou)
          .filter((delivery) => status === undefined || delivery.state === status)
          .filter((delivery) => sequenceId === undefined || delivery.sequenceId === sequenceId);
        const placeOf = ({ createdAtMs, id }: Delivery) => ({ time: createdAtMs, id });
        const { entries, next } = partOf(deliveries, part, placeOf);
        return { deliveries: entries, total: deliveries.length, next };
      },
      delivery: (ou, id) => {
        const delivery = world.deliveries.find((each) => each.ou === ou && each.id === id);
        return delivery && { delivery, attempts: world.attempts.get(id) ?? [] };
      },
    },
    rejected: {
      listRejected: async (ou, { page, limit }) => {
        if (!world.streamAvailable) return { unavailable: 'the stream does not answer' };
        const events = world.rejected.filter((each) => each.ou === ou).map(({ event }) => event);
        return { events: events.slice((page - 1) * limit, page * limit), total: events.length };
      },
    },
    destinations: memoryDestinations(world),
    redelivery: memoryRedelivery(world),
    simulation: memorySimulation(world),
    insight: memoryInsight(world),
    checkWebhookUrl: (url) =>
      new URL(url).hostname === '10.0.0.1'
        ? { ok: false, reason: 'the address 10.0.0.1 is private' }
        : { ok: true },
    readiness: () => ({ ready: true, reasons: [] }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'events_total 1\n' }),
    logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    nowMs: () => world.nowMs,
    sequencesPerOuMax: 10_000,
    requestsPerSecondMax: 0,
    corsOrigins: [],
    ...replaced,
  };
  return { ports, world };
}

function memoryTokens({ tokens }: World): TokenPort {
  const textOf = (id: string, ou: string) =>
    [...tokens].find(([, info]) => info.id === id && info.ou === ou)?.[0];
  return {
    lookup: (token) => tokens.get(token),
    list: (ou) => [...tokens.values()].filter((info) => info.ou === ou),
    create: async (ou, wanted, id) => {
      tokens.delete(textOf(id, ou) ?? '');
      const info = { ...wanted, id, ou, createdAtMs: START_MS, lastUsedAtMs: null };
      const token = `st_${id}_${tokens.size}`;
      tokens.set(token, info);
      return { token, info };
    },
    revoke: async (id, ou) => tokens.delete(textOf(id, ou) ?? ''),
  };
}

function memoryAnswers({ answers }: World): AnswerPort {
  return {
    get: ({ tokenId, key }) => answers.get(`${tokenId} ${key}`),
    put: async ({ tokenId, key }, answer) => {
      answers.set(`${tokenId} ${key}`, answer);
      return true;
    },
    remove: async ({ tokenId, key }) => void answers.delete(`${tokenId} ${key}`),
  };
}

function memoryCatalog(world: World, sequencesPerOuMax: number): CatalogPort {
  const keyOf = (ou: string, id: string) => `${ou}/${id}`;
  const ask = (sequence: Sequence, wish: BackfillWish | undefined) => {
    if (wish === undefined) return;
    const place = { id: world.backfills.size, throughPosition: 0, streamCreated: null };
    world.backfills.set(keyOf(sequence.ou, sequence.id), newBackfill(sequence, { ...place, ...wish }));
  };
  return {
    list: (ou) => [...world.sequences.values()].filter((sequence) => sequence.ou === ou),
    get: (ou, id) => world.sequences.get(keyOf(ou, id)),
    backfillOf: (ou, id) => world.backfills.get(keyOf(ou, id)),
    create: async (sequence, wish) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      const inOu = [...world.sequences.values()].filter(({ ou }) => ou === sequence.ou);
      if (inOu.length >= sequencesPerOuMax) return { ok: false, reason: 'limit' };
      world.sequences.set(keyOf(sequence.ou, sequence.id), sequence);
      ask(sequence, wish);
      world.catalogWrites += 1;
      return { ok: true, sequence };
    },
    update: async (ou, id, change, wish) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      const current = world.sequences.get(keyOf(ou, id));
      if (current === undefined) return { ok: false, reason: 'not_found' };
      const sequence = change(current);
      ask(sequence, wish);
      if (sequence === current) return { ok: true, sequence };
      world.sequences.set(keyOf(ou, id), sequence);
      world.catalogWrites += 1;
      return { ok: true, sequence };
    },
    remove: async (ou, id, check) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      const current = world.sequences.get(keyOf(ou, id));
      if (current !== undefined) check?.(current);
      return world.sequences.delete(keyOf(ou, id)) ? { ok: true } : { ok: false, reason: 'not_found' };
    },
  };
}

function memoryMilestones(world: World, perOuMax: number): MilestonePort {
  const keyOf = (ou: string, id: string) => `${ou}/${id}`;
  const put = (trigger: Milestone) => {
    world.milestones.set(keyOf(trigger.ou, trigger.id), trigger);
    world.catalogWrites += 1;
    return { ok: true, trigger } as const;
  };
  const list = (ou: string) => [...world.milestones.values()].filter((milestone) => milestone.ou === ou);
  return {
    list,
    get: (ou, id) => world.milestones.get(keyOf(ou, id)),
    create: async (milestone) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      return list(milestone.ou).length >= perOuMax ? { ok: false, reason: 'limit' } : put(milestone);
    },
    update: async (ou, id, change) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      const current = world.milestones.get(keyOf(ou, id));
      if (current === undefined) return { ok: false, reason: 'not_found' };
      const trigger = change(current);
      return trigger === current ? { ok: true, trigger } : put(trigger);
    },
    remove: async (ou, id, check) => {
      if (!world.catalogAvailable) return { ok: false, reason: 'unavailable' };
      const current = world.milestones.get(keyOf(ou, id));
      if (current !== undefined) check?.(current);
      return world.milestones.delete(keyOf(ou, id)) ? { ok: true } : { ok: false, reason: 'not_found' };
    },
    simulate: ({ scoreThreshold }, events) =>
      events
        .filter(({ score }) => score !== null && score >= scoreThreshold)
        .map(({ id, leadId, eventType: type, score }) => ({
          leadId,
          event: { id, type, timeMicros: world.nowMs * 1000 },
          score: score ?? 0,
          late: false,
        })),
    standing: (ou, leadId) => world.scoreStandings.get(keyOf(ou, leadId)),
  };
}

function memoryDestinations(world: World): DestinationPort {
  const find = (ou: string, id: string) =>
    world.destinations.find((each) => each.ou === ou && each.id === id);
  const change = async (ou: string, id: string, fields: Partial<DestinationStatus>) => {
    const current = find(ou, id);
    if (current === undefined) return undefined;
    const changed = { ...current, ...fields };
    world.destinations = world.destinations.map((each) => (each === current ? changed : each));
    return { ...changed, waiting: 12, held: 3 };
  };
  return {
    listDestinations: (ou, { page, limit, paused }) => {
      const found = world.destinations
        .filter((each) => each.ou === ou)
        .filter((each) => paused === undefined || paused === (each.pause !== null));
      return { destinations: found.slice((page - 1) * limit, page * limit), total: found.length };
    },
    destination: (ou, id) => {
      const found = find(ou, id);
      return found && { ...found, waiting: 12, held: 3 };
    },
    pause: (ou, id, reason) => change(ou, id, { pause: { sinceMs: world.nowMs, reason } }),
    resume: (ou, id) => change(ou, id, { pause: null }),
    setRate: (ou, id, ratePerSecond) => change(ou, id, { ratePerSecond }),
  };
}

function memoryRedelivery(world: World): RedeliveryPort {
  const triggerOf = (ou: string, id: string) =>
    world.sequences.get(`${ou}/${id}`) ?? world.milestones.get(`${ou}/${id}`);
  const again = (delivery: Delivery, dueAtMs: number): Delivery => ({
    ...delivery,
    state: 'pending',
    reason: null,
    dueAtMs,
    updatedAtMs: world.nowMs,
  });
  return {
    redeliver: async (ou, id) => {
      const found = world.deliveries.find((each) => each.ou === ou && each.id === id);
      if (found === undefined) return { ok: false, reason: 'not_found' };
      const obstacle = world.obstacles.get(id);
      if (obstacle !== undefined) return { ok: false, reason: obstacle };
      const delivery = again(found, world.nowMs);
      world.deliveries = world.deliveries.map((each) => (each === found ? delivery : each));
      return { ok: true, delivery };
    },
    redeliverRange: async (ou, id, query) => {
      const ofSequence = world.deliveries.filter((each) => each.ou === ou && each.sequenceId === id);
      if (ofSequence.length === 0 && triggerOf(ou, id) === undefined) {
        return { ok: false, reason: 'not_found' };
      }
      const start = query.after === null ? 0 : Number(query.after.slice('cursor-'.length));
      if (Number.isNaN(start)) return { ok: false, reason: 'unknown_cursor' };
      world.redeliveries.push(query);
      const found = ofSequence
        .filter(({ state }) => state === query.status)
        .filter(({ createdAtMs }) => createdAtMs >= query.fromMs && createdAtMs <= query.toMs);
      const queued = found.slice(start, start + world.redeliveredMax);
      const end = start + queued.length;
      return {
        ok: true,
        queued: queued.length,
        lastDueAtMs: queued.length === 0 ? null : world.nowMs + (queued.length * 1_000) / query.ratePerSecond,
        after: end < found.length ? `cursor-${end}` : null,
      };
    },
    sendSample: async (ou, id, fireId) => {
      const sent = world.samples.get(fireId);
      if (sent !== undefined) return { ok: true, deliveries: sent };
      const trigger = triggerOf(ou, id);
      if (trigger === undefined) return { ok: false, reason: 'not_found' };
      const { webhookUrl, emails } = trigger;
      if (webhookUrl === null && emails.length === 0) return { ok: false, reason: 'nowhere' };
      const common = { ou, fireId, sequenceId: id, createdAtMs: world.nowMs, dueAtMs: world.nowMs };
      const deliveries = [
        ...(webhookUrl === null ? [] : [aDelivery({ ...common, destination: webhookUrl })]),
        ...emails.map((destination) => aDelivery({ ...common, channel: 'email', destination })),
      ];
      world.samples.set(fireId, deliveries);
      return { ok: true, deliveries };
    },
  };
}

export interface CallOptions {
  /** null: no Authorization header. */
  readonly token?: string | null;
  readonly body?: unknown;
  /** Sent as it is, instead of `body` as JSON. */
  readonly rawBody?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The app on in-memory ports, and a way to call it. */
export function startApi(replaced: Partial<ApiPorts> = {}) {
  const { ports, world } = memoryPorts(replaced);
  const app = createApp(ports);
  const call = async (method: string, path: string, options: CallOptions = {}): Promise<Answer> => {
    const token = options.token === undefined ? TOKEN_ONE : options.token;
    const body = options.rawBody ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const headers = {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    };
    const response = await app.request(path, { method, headers, ...(body === undefined ? {} : { body }) });
    return toAnswer(response);
  };
  const create = async (fields: object = {}, token: string = TOKEN_ONE): Promise<JsonObject> => {
    const answer = await call('POST', '/sequences', { token, body: { ...MINIMAL_SEQUENCE, ...fields } });
    if (answer.status !== 201) throw new Error(`creation answered ${answer.status}: ${answer.text}`);
    return answer.json;
  };
  return { app, ports, world, call, create };
}

export const MINIMAL_SEQUENCE = { name: 'Buyers', event_types: ['view', 'buy'], window_seconds: 604_800 };

export async function toAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = text !== '' && /json/.test(response.headers.get('content-type') ?? '');
  const json = isJson ? (JSON.parse(text) as JsonObject) : {};
  return { status: response.status, headers: response.headers, text, json };
}

/** The `errors` of a problem, as a map of path to message. */
export function errorsOf(answer: Answer): ReadonlyMap<string, string> {
  const errors = (answer.json.errors ?? []) as readonly { path: string; message: string }[];
  return new Map(errors.map(({ path, message }) => [path, message]));
}

export function aFire(fields: Partial<Fire> = {}): Fire {
  return {
    id: 'fire-1',
    ou: 'one',
    sequenceId: 'seq-1',
    sequenceName: 'Buyers',
    sequenceVersion: 1,
    leadId: 'lead-1',
    eventTypes: ['view', 'buy'],
    events: [
      { id: 'e1', type: 'view', timeMicros: START_MS * 1000 },
      { id: 'e2', type: 'buy', timeMicros: START_MS * 1000 + 250_000 },
    ],
    completedAtMicros: START_MS * 1000 + 250_000,
    firedAtMicros: START_MS * 1000 + 1_000_000,
    streamSequence: 2,
    late: false,
    stale: false,
    isSample: false,
    ...fields,
  };
}

export function aDelivery(fields: Partial<Delivery> = {}): Delivery {
  return {
    id: 'dlv-1',
    ou: 'one',
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
    createdAtMs: START_MS,
    dueAtMs: START_MS,
    updatedAtMs: START_MS,
    ...fields,
  };
}

export function aToken(fields: Partial<TokenInfo> = {}): TokenInfo {
  return {
    id: 'tok-1',
    ou: 'one',
    name: 'for the site',
    role: 'admin',
    createdAtMs: START_MS,
    expiresAtMs: null,
    lastUsedAtMs: null,
    ratePerSecond: null,
    ...fields,
  };
}

export function aDestination(fields: Partial<DestinationStatus> = {}): DestinationStatus {
  return {
    id: 'dst-1',
    ou: 'one',
    channel: 'webhook',
    url: 'https://one.example.com/hook',
    pause: null,
    ratePerSecond: null,
    breaker: { state: 'closed', failuresInARow: 0, untilMs: null },
    ...fields,
  };
}
