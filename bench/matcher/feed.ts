import type { LeadEvent } from '../../src/model/event.ts';
import { seededRandom } from '../random.ts';
import { type Arrival, skewedType, type Workload } from './workload.ts';

const DAY_MILLIS = 86_400_000;
const START_MILLIS = Date.UTC(2026, 0, 1);
const LATE_SHARE = 0.5;
const LATENESS_MILLIS_MAX = 60_000;
const BURST_EVENTS = 5;
const BURST_MILLIS_MAX = 60_000;
/** One of so many events is not the hot lead's. */
const BACKGROUND_EVERY = 6;

/** Events in the order of their arrival, as numbers: the n-th entry of each array is of the n-th event. */
export interface EventFeed {
  readonly leads: Uint32Array;
  readonly types: Uint16Array;
  /** Becomes the id; an event keeps it in whatever order the events arrive. */
  readonly ids: Uint32Array;
  /** Event time and arrival time, in milliseconds since 1970; one array when nothing is late. */
  readonly timesMillis: Float64Array;
  readonly arrivalsMillis: Float64Array;
}

const FEEDS: Readonly<Record<Arrival, (workload: Workload) => EventFeed>> = {
  inOrder: evenFeed,
  late: (workload) => withLateEvents(evenFeed(workload), workload.seed),
  lateSorted: (workload) => inTimeOrder(withLateEvents(evenFeed(workload), workload.seed)),
  burstsLate: (workload) => withLateEvents(burstFeed(workload), workload.seed),
  burstsLateSorted: (workload) => inTimeOrder(withLateEvents(burstFeed(workload), workload.seed)),
  hotLead: hotLeadFeed,
};

/** The events of a workload. */
export function feedOf(workload: Workload): EventFeed {
  return FEEDS[workload.arrival](workload);
}

/** The first events of a feed, sharing its memory. */
export function firstOf(feed: EventFeed, count: number): EventFeed {
  return {
    leads: feed.leads.subarray(0, count),
    types: feed.types.subarray(0, count),
    ids: feed.ids.subarray(0, count),
    timesMillis: feed.timesMillis.subarray(0, count),
    arrivalsMillis: feed.arrivalsMillis.subarray(0, count),
  };
}

/** Memory that a feed occupies, in bytes. */
export function feedBytes(feed: EventFeed): number {
  const buffers = new Set(Object.values(feed).map(({ buffer }: { buffer: ArrayBufferLike }) => buffer));
  let bytes = 0;
  for (const { byteLength } of buffers) bytes += byteLength;
  return bytes;
}

/** Share of the events that are older than an event of the same lead which arrived before them. */
export function lateShareOf({ leads, timesMillis }: EventFeed): number {
  const newestMillis = new Map<number, number>();
  let late = 0;
  for (let index = 0; index < leads.length; index++) {
    const newest = newestMillis.get(leads[index]!) ?? Number.NEGATIVE_INFINITY;
    if (timesMillis[index]! < newest) late++;
    else newestMillis.set(leads[index]!, timesMillis[index]!);
  }
  return late / leads.length;
}

/** Some events as JSON, one line each, as publishers write them. */
export function linesOf(feed: EventFeed, from: number, to: number): string[] {
  const lines: string[] = [];
  for (let index = from; index < to; index++) {
    const id = `evt-${feed.ids[index]!.toString(36).padStart(8, '0')}`;
    const createdAt = new Date(feed.timesMillis[index]!).toISOString();
    lines.push(
      `{"id":"${id}","lead_id":"lead-${feed.leads[index]}","event_type":"type-${feed.types[index]}","created_at":"${createdAt}"}`,
    );
  }
  return lines;
}

/** Some events as the matcher takes them; every string is fresh from JSON.parse, as in the program. */
export function eventsOf(feed: EventFeed, from: number, lines: readonly string[]): LeadEvent[] {
  return lines.map((line, offset) => {
    const { id, lead_id, event_type, created_at } = JSON.parse(line) as Record<string, string>;
    return {
      ou: 'bench',
      leadId: lead_id!,
      id: id!,
      type: event_type!,
      timeMicros: Date.parse(created_at!) * 1000,
      streamSequence: from + offset + 1,
      arrivalMicros: feed.arrivalsMillis[from + offset]! * 1000,
    };
  });
}

/** All events of a workload as JSON in blocks, each with the events as the matcher takes them. */
export function* blocksOf(
  workload: Workload,
  blockEvents: number,
): Generator<{ readonly lines: readonly string[]; readonly events: () => LeadEvent[] }> {
  const feed = feedOf(workload);
  for (let from = 0; from < workload.events; from += blockEvents) {
    const lines = linesOf(feed, from, Math.min(from + blockEvents, workload.events));
    yield { lines, events: () => eventsOf(feed, from, lines) };
  }
}

function evenFeed(workload: Workload): EventFeed {
  const random = seededRandom(workload.seed + 1);
  const feed = newFeed(workload.events);
  for (let index = 0; index < workload.events; index++) {
    feed.leads[index] = Math.floor(random() * workload.leads);
    feed.types[index] = skewedType(workload.types, random);
    feed.timesMillis[index] = evenMillis(index, workload.events, workload.spanDays);
  }
  return feed;
}

function hotLeadFeed(workload: Workload): EventFeed {
  const feed = evenFeed(workload);
  const hotLead = workload.leads;
  return {
    ...feed,
    leads: feed.leads.map((lead, index) => (index % BACKGROUND_EVERY === 0 ? lead : hotLead)),
  };
}

/** Bursts start evenly spaced; they overlap, so the events are put in the order of their times. */
function burstFeed(workload: Workload): EventFeed {
  const random = seededRandom(workload.seed + 1);
  const feed = newFeed(workload.events);
  let lead = 0;
  let burstMillis = 0;
  for (let index = 0; index < workload.events; index++) {
    if (index % BURST_EVENTS === 0) {
      lead = Math.floor(random() * workload.leads);
      burstMillis = evenMillis(index, workload.events, workload.spanDays);
    }
    feed.leads[index] = lead;
    feed.types[index] = skewedType(workload.types, random);
    feed.timesMillis[index] = burstMillis + Math.floor(random() * BURST_MILLIS_MAX);
  }
  return inTimeOrder(feed);
}

/** Half of the events happened up to a minute before they arrive. */
function withLateEvents(feed: EventFeed, seed: number): EventFeed {
  const random = seededRandom(seed + 2);
  const timesMillis = feed.arrivalsMillis.map((millis) =>
    random() < LATE_SHARE ? millis - Math.floor(random() * LATENESS_MILLIS_MAX) : millis,
  );
  return { ...feed, timesMillis };
}

/** The same events arriving when they happened; equal times stay in the order in which they arrived. */
function inTimeOrder(feed: EventFeed): EventFeed {
  const count = feed.ids.length;
  // Time and place in one number, which a double holds exactly: milliseconds of a month by millions of events.
  const keys = feed.timesMillis.map((millis, index) => (millis - START_MILLIS) * count + index).sort();
  const sorted = newFeed(count);
  for (let target = 0; target < count; target++) {
    const source = ((keys[target]! % count) + count) % count;
    sorted.leads[target] = feed.leads[source]!;
    sorted.types[target] = feed.types[source]!;
    sorted.ids[target] = feed.ids[source]!;
    sorted.timesMillis[target] = feed.timesMillis[source]!;
  }
  return sorted;
}

function newFeed(count: number): EventFeed {
  const timesMillis = new Float64Array(count);
  return {
    leads: new Uint32Array(count),
    types: new Uint16Array(count),
    ids: Uint32Array.from({ length: count }, (_, index) => index),
    timesMillis,
    arrivalsMillis: timesMillis,
  };
}

function evenMillis(index: number, count: number, spanDays: number): number {
  return START_MILLIS + Math.floor((index / count) * spanDays * DAY_MILLIS);
}
