import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { z } from 'zod';
import { parseInstant } from '../model/instant.ts';
import { formatMicros } from '../model/time.ts';
import type { ApiPorts, IngestEvent } from './ports.ts';
import { type FieldError, invalid, Problem, unavailable } from './problem.ts';
import { type ApiEnv, readJson } from './request.ts';
import { check, exactObject, listOf, textOfBytes } from './validation.ts';

const EVENTS_MAX = 1_000;
const METADATA_BYTES_MAX = 100_000;
/** Deeper nesting serves no one and can exhaust the stack of whoever serializes it. */
const METADATA_DEPTH_MAX = 64;

const createdAtAllowed =
  'an RFC 3339 instant with an offset or Z, such as 2026-03-01T09:30:00.25Z, in the years 1684 to 2255';
const createdAt = z
  .string({ error: createdAtAllowed })
  .refine((text) => parseInstant(text) !== undefined, { error: createdAtAllowed })
  .nullish();

const metadataAllowed = `a JSON object, nested at most ${METADATA_DEPTH_MAX} levels deep`;
/** Taken as it is: a schema of records would leave out a key named `__proto__`. */
const metadata = z
  .custom<Readonly<Record<string, unknown>>>(
    (value) => isObject(value) && isWithinDepth(value, METADATA_DEPTH_MAX),
    { error: metadataAllowed },
  )
  .nullish();

/** One event. Fields that are not listed are dropped (R14); null is the same as absent. */
const event = z
  .object(
    {
      lead_id: textOfBytes({ min: 1, max: 256, characters: 'any' }),
      event_type: textOfBytes({ min: 1, max: 128, characters: 'any' }),
      id: textOfBytes({ min: 1, max: 256, characters: 'any' }).nullish(),
      created_at: createdAt,
      timestamp: createdAt,
      metadata,
    },
    { error: 'a JSON object' },
  )
  .superRefine((value, context) => {
    const { created_at, timestamp } = value;
    if (!created_at || !timestamp || parseInstant(created_at) === parseInstant(timestamp)) return;
    context.addIssue({
      code: 'custom',
      path: ['timestamp'],
      input: timestamp,
      message: 'left out where created_at is given, which is the same field',
    });
  });

const batch = exactObject({ events: listOf(z.unknown(), 1, EVENTS_MAX, 'events') });

/** `POST /ingest`: one event or a batch, answered once the stream has stored all of it. */
export function ingestRoutes(ports: Pick<ApiPorts, 'publish'>): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();
  routes.post('/', async (context) => {
    const events = readEvents(await readJson(context));
    const result = await ports.publish(context.var.ou, events);
    if (!result.ok) {
      throw unavailable(`The events are not all stored: ${result.reason}. Send them again.`);
    }
    return context.json({ accepted: events.length, ids: events.map(({ id }) => id) }, 202);
  });
  return routes;
}

/** The events of a body, all of them or a Problem that names each bad one. */
function readEvents(body: unknown): readonly IngestEvent[] {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'events')) {
    return checkedEvents([body], () => '');
  }
  const result = check(batch, body);
  if (!result.ok) throw invalid(result.errors, 'body');
  return checkedEvents(result.value.events, (index) => `events[${index}]`);
}

function checkedEvents(
  inputs: readonly unknown[],
  pathOf: (index: number) => string,
): readonly IngestEvent[] {
  const results = inputs.map((input, index) => check(event, input, pathOf(index)));
  const errors = results.flatMap((result) => (result.ok ? [] : result.errors));
  if (errors.length > 0) throw invalid(errors, 'body');
  const events = results.flatMap((result) => (result.ok ? [toIngestEvent(result.value)] : []));
  refuseLargeMetadata(events, pathOf);
  return events;
}

function toIngestEvent(input: z.infer<typeof event>): IngestEvent {
  const created = input.created_at ?? input.timestamp;
  const micros = created ? parseInstant(created) : undefined;
  return {
    id: input.id ?? randomUUID(),
    leadId: input.lead_id,
    eventType: input.event_type,
    createdAt: micros === undefined ? null : formatMicros(micros),
    metadata: input.metadata ?? null,
  };
}

function refuseLargeMetadata(events: readonly IngestEvent[], pathOf: (index: number) => string): void {
  const errors = events.flatMap((each, index): FieldError[] => {
    const bytes = each.metadata === null ? 0 : Buffer.byteLength(JSON.stringify(each.metadata));
    if (bytes <= METADATA_BYTES_MAX) return [];
    const at = pathOf(index);
    const limit = METADATA_BYTES_MAX.toLocaleString('en-US');
    const message = `must be at most ${limit} bytes as JSON; got ${bytes.toLocaleString('en-US')}`;
    return [{ path: at === '' ? 'metadata' : `${at}.metadata`, message }];
  });
  const first = errors[0];
  if (first !== undefined) throw new Problem(413, `${first.path} ${first.message}`, { errors });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWithinDepth(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isWithinDepth(each, levels - 1));
}
