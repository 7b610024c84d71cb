import { describe, expect, it } from 'vitest';
import {
  type EventFeed,
  eventsOf,
  feedOf,
  firstOf,
  lateShareOf,
  linesOf,
} from '../../../bench/matcher/feed.ts';
import { type Arrival, CARD, scaled } from '../../../bench/matcher/workload.ts';

const MINUTE_MILLIS = 60_000;

function feed(arrival: Arrival): EventFeed {
  return feedOf({ ...scaled(CARD, 0.005), arrival });
}

/** One line per event: its id, lead, type and time, in whatever order they arrive. */
function eventSet({ ids, leads, types, timesMillis }: EventFeed): string[] {
  return [...ids].map((id, index) => `${id} ${leads[index]} ${types[index]} ${timesMillis[index]}`).sort();
}

function isAscending(numbers: Float64Array): boolean {
  return numbers.every((value, index) => index === 0 || value >= numbers[index - 1]!);
}

describe('the events of the matcher benchmark', () => {
  it.each(['inOrder', 'lateSorted', 'burstsLateSorted', 'hotLead'] as const)('%s: in order', (arrival) => {
    const { timesMillis, arrivalsMillis } = feed(arrival);
    expect(isAscending(timesMillis)).toBe(true);
    expect(arrivalsMillis).toBe(timesMillis);
    expect(lateShareOf(feed(arrival))).toBe(0);
  });

  it.each([
    ['late', 'lateSorted'],
    ['burstsLate', 'burstsLateSorted'],
  ] as const)('%s: half up to a minute late, and %s has the same events', (late, sorted) => {
    const events = feed(late);
    const lateness = events.timesMillis.map((millis, index) => events.arrivalsMillis[index]! - millis);
    expect(isAscending(events.arrivalsMillis)).toBe(true);
    expect(lateness.every((millis) => millis >= 0 && millis < MINUTE_MILLIS)).toBe(true);
    expect(lateness.filter((millis) => millis > 0).length / lateness.length).toBeCloseTo(0.5, 1);
    expect(eventSet(feed(sorted))).toEqual(eventSet(events));
  });

  it('burstsLate: a large share is late for its own lead, not only for the stream', () => {
    expect(lateShareOf(feed('burstsLate'))).toBeGreaterThan(0.1);
    expect(lateShareOf(feed('late'))).toBeLessThan(0.01);
  });

  it('hotLead: five of six events are those of one lead', () => {
    const { leads } = feed('hotLead');
    const hotLead = leads[1];
    expect(leads.filter((lead) => lead === hotLead).length / leads.length).toBeCloseTo(5 / 6, 3);
  });

  it('are the same every time, and become events with the ids, times and arrivals of the feed', () => {
    const events = firstOf(feed('late'), 100);
    expect(linesOf(events, 0, 100)).toEqual(linesOf(feed('late'), 0, 100));
    const parsed = eventsOf(events, 40, linesOf(events, 40, 100));
    expect(parsed.map(({ streamSequence }) => streamSequence)).toEqual(
      Array.from({ length: 60 }, (_, index) => 41 + index),
    );
    expect(parsed.map(({ timeMicros }) => timeMicros)).toEqual(
      [...events.timesMillis.subarray(40)].map((millis) => millis * 1000),
    );
    expect(parsed.map(({ arrivalMicros }) => arrivalMicros)).toEqual(
      [...events.arrivalsMillis.subarray(40)].map((millis) => millis * 1000),
    );
  });
});
