import type { z } from 'zod';
import { parseInstant } from '../model/instant.ts';
import { formatMicros } from '../model/time.ts';
import type { IngestEvent } from './catalogPorts.ts';
import { batch, event, METADATA_BYTES_MAX } from './ingestSchema.ts';
import { type FieldError, Problem } from './problem.ts';
import { checkedBody } from './request.ts';

/** The id of an event that came without one, by its place in the batch. */
export type NewEventId = (index: number) => string;

/** In a simulation. */
export function simulatedId(index: number): string {
  return `event-${index + 1}`;
}

/** The events of a body, all of them or a Problem that names each bad one. */
export function readEvents(body: unknown, newId: NewEventId): readonly IngestEvent[] {
  const isBatch = typeof body === 'object' && body !== null && Object.hasOwn(body, 'events');
  const inputs = isBatch ? checkedBody(batch, body).events : [checkedBody(event, body)];
  const events = inputs.map((input, index) => toIngestEvent(input, newId(index)));
  refuseLargeMetadata(events, isBatch ? (index) => `events[${index}].` : () => '');
  return events;
}

/** An event as it was handed in, with an id where it has none. */
export function toIngestEvent(input: z.infer<typeof event>, newId: string): IngestEvent {
  const created = input.created_at ?? input.timestamp;
  const micros = created ? parseInstant(created) : undefined;
  return {
    id: input.id ?? newId,
    leadId: input.lead_id,
    eventType: input.event_type,
    createdAt: micros === undefined ? null : formatMicros(micros),
    metadata: input.metadata ?? null,
    score: input.score ?? null,
  };
}

function refuseLargeMetadata(events: readonly IngestEvent[], prefixOf: (index: number) => string): void {
  const errors = events.flatMap((each, index): FieldError[] => {
    const bytes = each.metadata === null ? 0 : Buffer.byteLength(JSON.stringify(each.metadata));
    if (bytes <= METADATA_BYTES_MAX) return [];
    const limit = METADATA_BYTES_MAX.toLocaleString('en-US');
    const message = `must be at most ${limit} bytes as JSON; got ${bytes.toLocaleString('en-US')}`;
    return [{ path: `${prefixOf(index)}metadata`, message }];
  });
  const first = errors[0];
  if (first !== undefined) throw new Problem(413, `${first.path} ${first.message}`, { errors });
}
