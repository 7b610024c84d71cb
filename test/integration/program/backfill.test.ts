import { afterEach, beforeEach, expect, it } from 'vitest';
import { waitFor } from '../../support/nats.ts';
import { allFires } from '../../support/program.ts';
import { Stage } from '../../support/stage.ts';

interface View {
  readonly id: string;
  readonly version: number;
  readonly backfill: {
    readonly state: string;
    readonly fraction: number;
    readonly events_read: number;
    readonly events_added: number;
    readonly started_at: string;
    readonly finished_at: string | null;
    readonly reason: string | null;
  } | null;
}

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open();
});
afterEach(() => stage.close());

const trial = {
  name: 'trial to paid',
  event_types: ['trial', 'paid'],
  window_seconds: 3600,
  ordered: true,
};

function get(id: string): Promise<View> {
  return stage.program.call<View>('GET', `/sequences/${id}`);
}

function ended(id: string) {
  return waitFor('the end of the backfill', async () => {
    const { backfill } = await get(id);
    return backfill !== null && backfill.state !== 'reading' ? backfill : undefined;
  });
}

async function leadsFiredBy(id: string): Promise<string[]> {
  return (await allFires(stage.program, id)).map(({ lead_id }) => lead_id).sort();
}

/** Events of many leads, a thousand at a time. */
async function publishMany(count: number, type: string): Promise<void> {
  for (let sent = 0; sent < count; ) {
    const acks = [];
    for (let batch = 0; batch < 1000 && sent < count; batch++, sent++) {
      const event = JSON.stringify({
        id: `${type}-${sent}`,
        lead_id: `crowd-${sent % 997}`,
        event_type: type,
      });
      acks.push(stage.client.jetstream().publish('events.default', event));
    }
    await Promise.all(acks);
  }
}

it('counts events as earlier steps whose type no sequence listed when they arrived, and fires for nothing past', async () => {
  await stage.start();
  await stage.publish('early', 'trial');
  await stage.publish('over', 'trial');
  await stage.publish('over', 'paid');
  await stage.publish('foreign', 'trial', 'events.other');
  await stage.waitForPosition(4);
  const created = await stage.program.call<View>('POST', '/sequences', { ...trial, backfill: true });
  expect(created.backfill).toMatchObject({ state: 'reading', finished_at: null, reason: null });
  expect(await ended(created.id)).toMatchObject({
    state: 'done',
    fraction: 1,
    // That of the other OU is none of ours.
    events_read: 3,
    events_added: 3,
    finished_at: expect.any(String),
    reason: null,
  });
  expect((await get(created.id)).version).toBe(1);
  expect(await leadsFiredBy(created.id)).toEqual([]);
  await stage.publish('early', 'paid');
  await stage.publish('foreign', 'paid');
  await stage.publish('never', 'paid');
  await stage.waitForPosition(7);
  expect(await leadsFiredBy(created.id)).toEqual(['early']);
});

it('reads again for a sequence that is changed, and tells a sequence without one by null', async () => {
  await stage.start();
  await stage.publish('early', 'trial');
  await stage.waitForPosition(1);
  const { id } = await stage.program.call<View>('POST', '/sequences', trial);
  expect((await get(id)).backfill).toBeNull();
  const asked = await stage.program.call<View>('PUT', `/sequences/${id}`, { backfill: true });
  expect(asked.backfill?.state).toBe('reading');
  expect(await ended(id)).toMatchObject({ state: 'done', events_added: 1 });
  await stage.publish('early', 'paid');
  await stage.waitForPosition(2);
  expect(await leadsFiredBy(id)).toEqual(['early']);
  // Without the wish an edit brings nothing new, and the last backfill is still told of.
  const renamed = await stage.program.call<View>('PATCH', `/sequences/${id}`, { name: 'renamed' });
  expect(renamed.backfill?.state).toBe('done');
});

it('is taken up again by the next start, wherever a kill or a stop met it', async () => {
  await stage.start();
  await publishMany(20_000, 'trial');
  await stage.waitForPosition(20_000);
  const { id } = await stage.program.call<View>('POST', '/sequences', { ...trial, backfill: true });
  await waitFor('some progress', async () => ((await get(id)).backfill?.events_read ?? 0) > 1_000);
  expect((await get(id)).backfill?.state).toBe('reading');
  await stage.program.kill();
  await stage.start();
  await waitFor('some progress', async () => ((await get(id)).backfill?.events_read ?? 0) > 1_000);
  await stage.program.stop();
  await stage.start();
  expect(await ended(id)).toMatchObject({ state: 'done', events_read: 20_000, events_added: 20_000 });
  await stage.program.kill();
  await stage.start();
  expect((await get(id)).backfill?.state).toBe('done');
  await stage.publish('crowd-5', 'paid');
  await waitFor('the fire', async () => (await leadsFiredBy(id)).length > 0);
  expect(await leadsFiredBy(id)).toEqual(['crowd-5']);
});

it('says that it failed when the stream is deleted while it is read', async () => {
  await stage.start();
  await publishMany(20_000, 'trial');
  await stage.waitForPosition(20_000);
  const { id } = await stage.program.call<View>('POST', '/sequences', { ...trial, backfill: true });
  await waitFor('some progress', async () => ((await get(id)).backfill?.events_read ?? 0) > 100);
  await stage.manager.streams.delete('EVENTS');
  expect(await ended(id)).toMatchObject({ state: 'failed', reason: 'the events stream was deleted' });
});
