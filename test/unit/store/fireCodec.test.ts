import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packRow } from '../../../src/store/environment.ts';
import { type FireRow, packFire, unpackFire } from '../../../src/store/fireCodec.ts';
import { aDataDir, aDelivery, aFire, aMilestoneFire, openStores, type Stores } from '../../support/outbox.ts';

/** Bytes as version 3 writes them, beside what they say; they stay as they are when a format changes. */
const golden = JSON.parse(
  readFileSync(new URL('../../golden/fire-v3.json', import.meta.url), 'utf8'),
) as Record<string, FireRow & { readonly hex: string }>;

describe('a fire of version 3 on disk', () => {
  it.each(Object.entries(golden))('%s is read as it was meant, and written alike', (_name, row) => {
    const { fire, deliveryIds, hex } = row;
    expect(unpackFire(fire.id, Buffer.from(hex, 'hex'))).toStrictEqual({ fire, deliveryIds });
    expect(packFire({ fire, deliveryIds }).toString('hex')).toBe(hex);
  });

  it('of version 1 is read as no sample, and of version 2 as it is', () => {
    const deliveryIds = ['del-1'];
    const { isSample: _absent, ...old } = aFire();
    expect(unpackFire('fire-1', packRow(1, { fire: old, deliveryIds }))).toEqual({
      fire: aFire({ isSample: false }),
      deliveryIds,
    });
    for (const fire of [aFire({ isSample: true }), aMilestoneFire()]) {
      expect(unpackFire('fire-1', packRow(2, { fire, deliveryIds }))).toEqual({ fire, deliveryIds });
    }
  });

  it('is not read by a program that knows no such version, as one of a later version is not by this', () => {
    expect(() => unpackFire('fire-1', packRow(4, []))).toThrow('version 4; this program reads 1, 2, 3');
  });
});

describe('fires of all versions in one store', () => {
  let dir: ReturnType<typeof aDataDir>;
  let stores: Stores;

  beforeEach(() => {
    dir = aDataDir();
    stores = openStores(dir.path);
  });

  afterEach(async () => {
    await stores.environment.close();
    dir.remove();
  });

  it('are listed together, each with its own values', async () => {
    const fires = [1, 2, 3].map((version) =>
      aFire({ id: `fire-${version}`, leadId: `lead of ${version}`, firedAtMicros: version }),
    );
    const entries = fires.map((fire) => ({
      fire,
      deliveries: [aDelivery({ id: `del-${fire.id}`, fireId: fire.id })],
    }));
    await stores.fires.commitFires(entries).flushed;
    const table = stores.environment.table('fires');
    await stores.environment.write(() => {
      for (const [version, fire] of [
        [1, fires[0]!],
        [2, fires[1]!],
      ] as const) {
        void table.put([fire.id], packRow(version, { fire, deliveryIds: [`del-${fire.id}`] }));
      }
    });
    expect(stores.fires.listFires('acme', { page: 1, limit: 10 }).fires).toEqual(fires.toReversed());
    expect(stores.fires.readFires('acme', {}, null, 10).fires).toEqual(entries.toReversed());
  });

  it('are read whole, be they of a few bytes or of many pages', async () => {
    const events = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        id: `${index} ${'é'.repeat(200)}`,
        type: `type ${index}`,
        timeMicros: 1_714_557_600_000_000 + index,
      }));
    const fires = [1, 5_000, 2, 50, 500].map((count, index) =>
      aFire({ id: `fire-${index}`, firedAtMicros: index, events: events(count) }),
    );
    await stores.fires.commitFires(fires.map((fire) => ({ fire, deliveries: [] }))).flushed;
    expect(stores.fires.listFires('acme', { page: 1, limit: 10 }).fires).toEqual(fires.toReversed());
  });
});
