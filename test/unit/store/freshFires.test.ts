import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FreshFires } from '../../../src/store/freshFires.ts';
import { aDataDir, aDelivery, aFire, openStores, type Stores } from '../../support/outbox.ts';

const FIRES_MAX = 2_048;

describe('a fire on its way from the commit to its deliveries', () => {
  let dir: ReturnType<typeof aDataDir>;
  let stores: Stores;
  let fires: FreshFires;

  beforeEach(() => {
    dir = aDataDir();
    stores = openStores(dir.path);
    fires = new FreshFires(stores.fires);
  });

  afterEach(async () => {
    await stores.environment.close();
    dir.remove();
  });

  const entry = (id: string, change: Parameters<typeof aFire>[0] = {}) => ({
    fire: aFire({ id, ...change }),
    deliveries: [aDelivery({ id: `del-${id}`, fireId: id })],
  });

  it('is the very one that was committed, for its own OU alone', async () => {
    const committed = entry('fire-1');
    expect(await fires.commitFires([committed]).flushed).toEqual(committed.deliveries);
    expect(fires.fire('acme', 'fire-1')).toBe(committed.fire);
    expect(fires.fire('other', 'fire-1')).toBeUndefined();
  });

  it('is read from the store where it was not committed here', async () => {
    await stores.fires.commitFires([entry('fire-1')]).flushed;
    expect(fires.fire('acme', 'fire-1')).toEqual(aFire({ id: 'fire-1' }));
    expect(fires.fire('acme', 'fire-2')).toBeUndefined();
  });

  it('says what its row says, also when a replay commits it in other words', async () => {
    await stores.fires.commitFires([entry('fire-1')]).flushed;
    const again = fires.commitFires([entry('fire-1', { sequenceName: 'Renamed since' }), entry('fire-2')]);
    expect((await again.flushed).map(({ fireId }) => fireId)).toEqual(['fire-2']);
    expect(fires.fire('acme', 'fire-1')?.sequenceName).toBe(aFire().sequenceName);
  });

  it('does not exist when its transaction fails', async () => {
    const failing = new FreshFires({
      commitFires: () => {
        const failed = Promise.reject(new Error('no room'));
        failed.catch(() => {});
        return { committed: failed, flushed: failed };
      },
      fire: () => undefined,
    });
    await expect(failing.commitFires([entry('fire-1')]).committed).rejects.toThrow('no room');
    // Nobody has asked for the other promise, which must not count as an unhandled rejection.
    await new Promise((resolve) => setImmediate(resolve));
    expect(failing.fire('acme', 'fire-1')).toBeUndefined();
  });

  it('is remembered among so many, of which the first make room', async () => {
    const entries = Array.from({ length: FIRES_MAX + 1 }, (_, index) => entry(`fire-${index}`));
    await fires.commitFires(entries).flushed;
    expect(fires.fire('acme', 'fire-0')).not.toBe(entries[0]!.fire);
    expect(fires.fire('acme', 'fire-0')).toEqual(entries[0]!.fire);
    expect(fires.fire('acme', 'fire-1')).toBe(entries[1]!.fire);
  });
});
