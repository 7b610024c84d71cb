import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Core } from '../../../src/composition/core.ts';
import { redeliveryPort } from '../../../src/composition/redelivery.ts';
import type { Config } from '../../../src/config/schema.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import { delivered, type SendResult } from '../../../src/outbox/sender.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  fireAll,
  openStores,
  type Stores,
  until,
} from '../../support/outbox.ts';

/** Of the moments looked for, and deliveries to find them in: about two in five have one. */
const MOMENTS = 10;
const DELIVERIES_MAX = 1000;

const sequence = aSequence({ webhookUrl: 'http://host/hook' });
let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let outbox: Outbox;
let answer: () => Promise<SendResult>;
let port: ReturnType<typeof redeliveryPort>;
beforeEach(async () => {
  dir = aDataDir();
  stores = openStores(dir.path);
  answer = async () => delivered(200, '');
  const webhookSender = { send: () => answer(), close: async () => {} };
  outbox = anOutbox(stores, { sequences: [sequence], overrides: { webhookSender } });
  await outbox.start();
  port = redeliveryPort({} as Config, { ...stores, outbox } as unknown as Core);
});
afterEach(async () => {
  await outbox.drain(0);
  await stores.environment.close();
  dir.remove();
});

async function fire(n: number) {
  const [delivery] = await fireAll(stores, outbox, sequence, [
    aFire({ id: `fire-${n}`, leadId: `lead-${n}`, streamSequence: n }),
  ]);
  return delivery!;
}

it('a delivery that reads delivered can be redelivered in the same moment', async () => {
  let early = 0;
  for (let n = 1; n <= DELIVERIES_MAX && early < MOMENTS; n += 1) {
    const { ou, id } = await fire(n);
    const now = () => stores.deliveries.delivery(ou, id)!.delivery;
    while (now().state !== 'delivered') await turn();
    // The store is ahead of what its writers were told.
    if (outbox.isUnderWay(now())) early += 1;
    expect(await port.redeliver(ou, id)).toMatchObject({ ok: true });
    await until(() => now().state === 'delivered' && now().attemptsMade === 2);
  }
  expect(early).toBe(MOMENTS);
});

it('a delivery is not redelivered while it is attempted', async () => {
  let finish = (_: SendResult) => {};
  answer = () => new Promise((resolve) => (finish = resolve));
  const delivery = await fire(1);
  await until(() => outbox.isUnderWay(delivery));
  expect(await port.redeliver(delivery.ou, delivery.id)).toEqual({ ok: false, reason: 'under_way' });
  finish(delivered(200, ''));
});
