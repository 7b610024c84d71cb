import { describe, expect, it } from 'vitest';
import { newBackfill } from '../../../src/engine/backfills.ts';
import type { Backfill } from '../../../src/model/backfill.ts';
import { errorsOf, MINIMAL_SEQUENCE, startApi } from '../../support/api.ts';
import { aSequence } from '../../support/outbox.ts';

const ASKED = {
  state: 'reading',
  fraction: 0,
  events_read: 0,
  events_added: 0,
  started_at: '2026-01-01T00:00:00.000Z',
  finished_at: null,
  reason: null,
};

function aBackfill(change: Partial<Backfill>): Backfill {
  const place = { id: 1, throughPosition: 1, streamCreated: null, startedAtMs: Date.UTC(2026, 0, 1) };
  return { ...newBackfill(aSequence(), place), ...change };
}

describe('a backfill', () => {
  it('is asked for with a creation, and told of in every view of the sequence', async () => {
    const { call } = startApi();
    const created = await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, backfill: true } });
    expect(created.json.backfill).toEqual(ASKED);
    const read = await call('GET', `/sequences/${created.json.id}`);
    expect(read.json).toMatchObject({ backfill: ASKED, version: 1 });
    const { sequences } = (await call('GET', '/sequences')).json as { sequences: { backfill: unknown }[] };
    expect(sequences.map(({ backfill }) => backfill)).toEqual([ASKED]);
  });

  it('is told of anew to those who know the version, which does not tell how far it is', async () => {
    const { call, create } = startApi();
    const { id } = await create({ ...MINIMAL_SEQUENCE, backfill: true });
    const { id: other } = await create(MINIMAL_SEQUENCE);
    const headers = { 'if-none-match': '"1"' };
    expect((await call('GET', `/sequences/${id}`, { headers })).json.backfill).toEqual(ASKED);
    expect((await call('GET', `/sequences/${other}`, { headers })).status).toBe(304);
  });

  it.each(['PUT', 'PATCH'])('is asked for with a %s, which need change nothing else', async (method) => {
    const { call, create } = startApi();
    const { id } = await create(MINIMAL_SEQUENCE);
    const changed = await call(method, `/sequences/${id}`, { body: { backfill: true } });
    expect(changed).toMatchObject({ status: 200, json: { backfill: ASKED, version: 1 } });
  });

  it.each([false, null, undefined])('is not asked for by %s', async (backfill) => {
    const { call } = startApi();
    const created = await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, backfill } });
    expect(created).toMatchObject({ status: 201, json: { backfill: null } });
    const changed = await call('PUT', `/sequences/${created.json.id}`, { body: { name: 'other', backfill } });
    expect(changed).toMatchObject({ status: 200, json: { backfill: null } });
  });

  it.each(['true', 1, {}, [[]]])('is asked for by true and nothing else, such as %j', async (backfill) => {
    const { call, create } = startApi();
    const { id } = await create(MINIMAL_SEQUENCE);
    const refused = new Map([['backfill', expect.stringContaining('must be true or false')]]);
    const created = await call('POST', '/sequences', { body: { ...MINIMAL_SEQUENCE, backfill } });
    expect([created.status, errorsOf(created)]).toEqual([400, refused]);
    const changed = await call('PUT', `/sequences/${id}`, { body: { backfill } });
    expect([changed.status, errorsOf(changed)]).toEqual([400, refused]);
  });

  it.each([
    { state: 'merging' as const, shown: 'reading' },
    { state: 'done' as const, shown: 'done' },
    { state: 'failed' as const, shown: 'failed' },
    { state: 'stopped' as const, shown: 'stopped' },
  ])('that is $state is shown as $shown, with what came of it', async ({ state, shown }) => {
    const { call, create, world } = startApi();
    const { id } = await create(MINIMAL_SEQUENCE);
    const end = { fraction: 0.5, eventsRead: 10, eventsAdded: 3, finishedAtMs: Date.UTC(2026, 0, 2) };
    world.backfills.set(`one/${id}`, aBackfill({ state, ...end, reason: 'why' }));
    expect((await call('GET', `/sequences/${id}`)).json.backfill).toEqual({
      state: shown,
      fraction: 0.5,
      events_read: 10,
      events_added: 3,
      started_at: '2026-01-01T00:00:00.000Z',
      finished_at: '2026-01-02T00:00:00.000Z',
      reason: 'why',
    });
  });
});
