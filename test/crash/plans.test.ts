import { describe, expect, it } from 'vitest';
import { plannedChange } from './plannedChanges.ts';
import { plannedMessage } from './plannedMessages.ts';
import { plannedStrikes, TARGETS } from './plannedStrikes.ts';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);
const URL_OF_RECEIVER = 'http://127.0.0.1:1';

describe('the plan of a campaign', () => {
  it('is a function of the seed, and another for another seed', () => {
    const planOf = (seed: number) =>
      JSON.stringify([
        plannedStrikes(seed, 30),
        SEEDS.map((index) => plannedChange(seed, 'alpha', index, URL_OF_RECEIVER)),
        SEEDS.map((index) => plannedMessage(seed, index).body(0)),
      ]);
    expect(planOf(1)).toBe(planOf(1));
    expect(new Set(SEEDS.map(planOf)).size).toBe(SEEDS.length);
  });

  it.each([1, 4, 10, 37])('has %d kills when so many are asked for', (kills) => {
    for (const seed of SEEDS) {
      expect(plannedStrikes(seed, kills).flatMap(({ hits }) => hits)).toHaveLength(kills);
    }
  });

  it('hits every target, at every moment, and two at once, in every ten kills', () => {
    for (const seed of SEEDS) {
      const strikes = plannedStrikes(seed, 10);
      const hits = strikes.flatMap(({ hits }) => hits);
      expect(new Set(hits.map(({ target }) => target))).toEqual(new Set(TARGETS));
      expect(new Set(hits.map(({ moment }) => moment))).toEqual(
        new Set(['running', 'checkpoint', 'change', 'starting']),
      );
      const targetsOf = ({ hits }: (typeof strikes)[number]) =>
        new Set(hits.map(({ target }) => target)).size;
      expect(Math.max(...strikes.map(targetsOf))).toBe(2);
    }
  });

  it('has late and future events, repeated ids, ids of two leads, defaults and malformed messages', () => {
    const events = Array.from({ length: 3_000 }, (_, index) => plannedMessage(5, index));
    const nowMs = Date.UTC(2026, 0, 1);
    const fields = events.flatMap(({ malformed, ou, body }): Record<string, string>[] =>
      malformed === null ? [{ ...JSON.parse(body(nowMs)), ou }] : [],
    );
    const backs = events.map(({ malformed, body }, index) =>
      malformed === null ? index - Number(JSON.parse(body(nowMs)).id?.slice(1) ?? index) : 0,
    );
    expect(backs.some((back) => back > 1)).toBe(true);
    const ages = fields.flatMap(({ created_at }) =>
      created_at === undefined ? [] : [nowMs - Date.parse(created_at)],
    );
    expect(ages.some((ageMs) => ageMs > 1_000 && ageMs < 8_000)).toBe(true);
    expect(ages.some((ageMs) => ageMs > 8_000)).toBe(true);
    expect(ages.some((ageMs) => ageMs < -300_000)).toBe(true);
    const idsOf = (keyOf: (event: Record<string, string>) => string) =>
      new Set(fields.filter(({ id }) => id !== undefined).map(keyOf)).size;
    const ids = idsOf(({ id }) => id!);
    const idsOfLeads = idsOf(({ ou, lead_id, id }) => `${ou} ${lead_id} ${id}`);
    expect(ids).toBeLessThan(idsOfLeads);
    expect(idsOfLeads).toBeLessThan(fields.filter(({ id }) => id !== undefined).length);
    expect(fields.some(({ id }) => id === undefined)).toBe(true);
    expect(fields.some(({ created_at, timestamp }) => (created_at ?? timestamp) === undefined)).toBe(true);
    expect(new Set(events.map(({ malformed }) => malformed))).toEqual(
      new Set([null, 'not_json', 'missing_field', 'invalid_field']),
    );
  });
});
