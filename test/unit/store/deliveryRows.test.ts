import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Attempt, Delivery } from '../../../src/model/delivery.ts';
import { type DeliveryRow, packDelivery, unpackDelivery } from '../../../src/store/deliveryCodec.ts';
import { packRow } from '../../../src/store/environment.ts';
import { aDataDir, aDelivery, aFire, openStores, type Stores } from '../../support/outbox.ts';

/** Bytes as version 3 writes them, beside what they say; they stay as they are when a format changes. */
const golden = JSON.parse(
  readFileSync(new URL('../../golden/delivery-v3.json', import.meta.url), 'utf8'),
) as Record<string, DeliveryRow & { readonly hex: string }>;

describe('a delivery of version 3 on disk', () => {
  it.each(Object.entries(golden))('%s is read as it was meant, and written alike', (_name, row) => {
    const { delivery, lastAttempt, hex } = row;
    expect(unpackDelivery(delivery.id, Buffer.from(hex, 'hex'))).toEqual({ delivery, lastAttempt });
    expect(packDelivery({ delivery, lastAttempt }).toString('hex')).toBe(hex);
  });

  it('of version 1 is read with what it lacks, and of version 2 as it is', () => {
    const { leadId: _lead, streamSequence: _sequence, attemptsBefore: _before, ...old } = aDelivery();
    const filled = { ...old, leadId: '', streamSequence: 0, attemptsBefore: 0 };
    expect(unpackDelivery('del-1', packRow(1, old))).toEqual({ delivery: filled, lastAttempt: null });
    const delivery = aDelivery();
    expect(unpackDelivery('del-1', packRow(2, delivery))).toEqual({ delivery, lastAttempt: null });
  });

  it('is not read by a program that knows no such version, as one of a later version is not by this', () => {
    expect(() => unpackDelivery('del-1', packRow(4, []))).toThrow('version 4; this program reads 1, 2, 3');
  });
});

describe('attempts', () => {
  let dir: ReturnType<typeof aDataDir>;
  let stores: Stores;

  beforeEach(async () => {
    dir = aDataDir();
    stores = openStores(dir.path);
    await stores.fires.commitFires([{ fire: aFire(), deliveries: [aDelivery()] }]).flushed;
  });

  afterEach(async () => {
    await stores.environment.close();
    dir.remove();
  });

  const attempt = (number: number): Attempt => ({
    number,
    startedAtMs: 1000 * number,
    durationMs: 5,
    outcome: 'failed',
    status: 500,
    error: null,
    response: `answer ${number}`,
  });
  const tried = (attemptsMade: number, change: Partial<Delivery> = {}) =>
    aDelivery({ state: 'retrying', attemptsMade, dueAtMs: 1000 + attemptsMade, ...change });
  const record = (number: number, change: Partial<Delivery> = {}) =>
    stores.deliveries.recordAttempts([{ delivery: tried(number, change), attempt: attempt(number) }]);
  const attempts = () => stores.deliveries.delivery('acme', 'del-1')?.attempts;
  const ownRows = () => [...stores.deliveries.rows.attempts.getKeys()];

  it('are in the row of their delivery when there is one, and only those before the last in rows of their own', async () => {
    expect(attempts()).toEqual([]);
    await record(1);
    expect(attempts()).toEqual([attempt(1)]);
    expect(ownRows()).toEqual([]);
    await record(2);
    await record(3);
    expect(attempts()).toEqual([attempt(1), attempt(2), attempt(3)]);
    expect(ownRows()).toEqual([
      ['del-1', 1],
      ['del-1', 2],
    ]);
  });

  it('stay when the delivery is held, released, moved, made due anew or given up', async () => {
    await record(1);
    await record(2);
    const both = [attempt(1), attempt(2)];
    const lane = stores.deliveries.laneOf(aDelivery());
    expect(await stores.deliveries.hold(lane, 'paused', 3000)).toBe(1);
    expect(attempts()).toEqual(both);
    expect(await stores.deliveries.release(lane, 3001)).toBe(1);
    expect(attempts()).toEqual(both);
    await stores.deliveries.redeliver('acme', 'del-1', 3002);
    expect(attempts()).toEqual(both);
    const moved = await stores.deliveries.move('del-1', 'https://example.com/other', 3003);
    expect(attempts()).toEqual(both);
    const given = stores.deliveries.giveUp(stores.deliveries.laneOf(moved!), 9000, new Set(), 'late', 3004);
    expect(await given).toBe(1);
    expect(attempts()).toEqual(both);
  });

  it('of before, which have rows of their own all, stay in front of those of now', async () => {
    await stores.environment.write(() => {
      const { deliveries, attempts } = stores.deliveries.rows;
      void deliveries.put(['del-1'], packRow(2, tried(2)));
      for (const number of [1, 2]) void attempts.put(['del-1', number], packRow(1, attempt(number)));
      stores.deliveries.rows.moveDue(queueKey(1000), tried(2).dueAtMs!);
    });
    expect(stores.deliveries.delivery('acme', 'del-1')).toEqual({
      delivery: tried(2),
      attempts: [attempt(1), attempt(2)],
    });
    await record(3);
    await record(4, { state: 'dead', dueAtMs: null });
    expect(attempts()?.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    expect(await removed()).toBe(4);
    expect(ownRows()).toEqual([]);
  });

  it('are all counted when their delivery is removed', async () => {
    await record(1, { state: 'delivered', dueAtMs: null });
    expect(await removed()).toBe(1);
    expect([...stores.deliveries.rows.deliveries.getKeys()]).toEqual([]);
    expect([...stores.deliveries.rows.index.getKeys()]).toEqual([]);
  });

  const queueKey = (dueAtMs: number) => [stores.deliveries.laneOf(aDelivery()), dueAtMs, 2, 'del-1'];
  const removed = () =>
    stores.environment.write(() => {
      const { rows } = stores.deliveries;
      return rows.remove([rows.read('del-1')!]);
    });
});
