import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fire } from '../../../src/model/fire.ts';
import type { Sequence } from '../../../src/model/sequence.ts';
import { limitsFor } from '../../../src/outbox/options.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import type { DeliveryQueue } from '../../../src/outbox/ports.ts';
import { delivered, noAnswer, type Outgoing, type Sender } from '../../../src/outbox/sender.ts';
import {
  aDataDir,
  aFire,
  aLog,
  anOutbox,
  aSequence,
  fireAll,
  type LogLine,
  openStores,
  type Stores,
  until,
} from '../../support/outbox.ts';
import { answerWith, hang, type Receiver, startReceiver } from '../../support/receivers.ts';

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let receiver: Receiver;
let outbox: Outbox | null;

beforeEach(async () => {
  dir = aDataDir();
  stores = openStores(dir.path);
  receiver = await startReceiver();
  outbox = null;
});

afterEach(async () => {
  await outbox?.drain(0);
  await receiver.close();
  await stores.environment.close();
  dir.remove();
});

const fires = (count: number, prefix = 'fire') =>
  Array.from({ length: count }, (_, index) => aFire({ id: `${prefix}-${index}` }));

async function reopen(): Promise<void> {
  await outbox?.drain(0);
  await stores.environment.close();
  stores = openStores(dir.path);
}

/** The store's queue, with some of its doors exchanged. */
function queueWith(change: Partial<DeliveryQueue>): DeliveryQueue {
  const { deliveries } = stores;
  return {
    lanes: (after, count) => deliveries.lanes(after, count),
    heldLanes: (after, count) => deliveries.heldLanes(after, count),
    laneOf: (delivery) => deliveries.laneOf(delivery),
    partsOf: (lane) => deliveries.partsOf(lane),
    due: (...query) => deliveries.due(...query),
    postpone: (...row) => deliveries.postpone(...row),
    recordAttempts: (settlements) => deliveries.recordAttempts(settlements),
    move: (...change) => deliveries.move(...change),
    hold: (...change) => deliveries.hold(...change),
    release: (...change) => deliveries.release(...change),
    giveUp: (...change) => deliveries.giveUp(...change),
    ...change,
  };
}

/** Has the destination of a sequence answer once, so that more than one attempt at a time is made from then on. */
async function prove(sequence: Sequence): Promise<void> {
  const before = stores.deliveries.countByState().delivered;
  const fire = aFire({ id: `proof of ${sequence.id}`, sequenceId: sequence.id });
  await fireAll(stores, outbox, sequence, [fire]);
  await until(() => stores.deliveries.countByState().delivered === before + 1);
  receiver.requests.length = 0;
}

/** Of different leads, since first attempts of one lead are made one after the other. */
const ofManyLeads = (list: Fire[]) => list.map((fire, index) => ({ ...fire, leadId: `lead-${index}` }));

describe('over a restart', () => {
  it('what was due is sent, also what nobody woke the outbox for', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    await fireAll(stores, null, sequence, fires(20));
    await reopen();
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await until(() => stores.deliveries.countByState().delivered === 20);
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(20);
    expect(receiver.requests).toHaveLength(20);
  });

  it('a delivery that was to be retried is retried, and its attempts are counted on', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    receiver.answer = answerWith(500);
    outbox = anOutbox(stores, { sequences: [sequence], overrides: { retryDelaysMs: [0, 500, 500] } });
    await outbox.start();
    await fireAll(stores, outbox, sequence, [aFire()]);
    await until(() => stores.deliveries.countByState().retrying === 1);
    await reopen();
    receiver.answer = answerWith(200);
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await until(() => stores.deliveries.countByState().delivered === 1);
    const [delivery] = stores.fires.deliveriesOf('acme', 'fire-1');
    const attempts = stores.deliveries.delivery('acme', delivery?.id ?? '')?.attempts ?? [];
    expect(attempts.map(({ number, outcome }) => [number, outcome])).toEqual(
      receiver.requests.map((_, index) => [
        index + 1,
        index === receiver.requests.length - 1 ? 'delivered' : 'failed',
      ]),
    );
  });

  it('a fire that is committed again in the replay sends nothing again', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await fireAll(stores, outbox, sequence, fires(3));
    await until(() => stores.deliveries.countByState().delivered === 3);
    await reopen();
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    expect(await fireAll(stores, outbox, sequence, fires(3))).toEqual([]);
    await fireAll(stores, outbox, sequence, [aFire({ id: 'fire-new' })]);
    await until(() => stores.deliveries.countByState().delivered === 4);
    expect(receiver.requests).toHaveLength(4);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 0, retrying: 0 });
  });

  it('an attempt that was made but not recorded is made again with the same id', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    const lines: LogLine[] = [];
    const queue = queueWith({ recordAttempts: () => Promise.reject(new Error('the disk is full')) });
    outbox = anOutbox(stores, { sequences: [sequence], overrides: { queue }, lines });
    await outbox.start();
    await fireAll(stores, outbox, sequence, [aFire()]);
    await until(() => lines.some(({ level }) => level === 'error'));
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 1, delivered: 0 });
    await reopen();
    expect(receiver.requests).toHaveLength(1);

    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await until(() => stores.deliveries.countByState().delivered === 1);
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual(['fire-1', 'fire-1']);
    expect(receiver.requests[0]?.body).toBe(receiver.requests[1]?.body);
  });
});

describe('draining', () => {
  it('waits for the attempts under way and starts no others', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    const release: Array<() => void> = [];
    outbox = anOutbox(stores, { sequences: [sequence], overrides: { limits: limitsFor(64, 4) } });
    await outbox.start();
    await prove(sequence);
    receiver.answer = (_request, response) => void release.push(() => response.end());
    await fireAll(stores, outbox, sequence, ofManyLeads(fires(6)));
    await until(() => release.length === 4);
    const drained = outbox.drain(15_000);
    for (const answer of release) answer();
    expect(await drained).toEqual({ unfinished: 0 });
    expect(stores.deliveries.countByState()).toMatchObject({ delivered: 5, pending: 2 });
    expect(receiver.requests).toHaveLength(4);
  });

  it('cuts off what takes too long, and leaves it due', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    outbox = anOutbox(stores, { sequences: [sequence] });
    await outbox.start();
    await prove(sequence);
    receiver.answer = hang;
    await fireAll(stores, outbox, sequence, ofManyLeads(fires(2)));
    await until(() => receiver.requests.length === 2);
    expect(await outbox.drain(10)).toEqual({ unfinished: 2 });
    expect(outbox.inFlight).toBe(0);
    expect(stores.deliveries.countByState()).toMatchObject({ pending: 2 });
    expect(stores.deliveries.lanes()).toHaveLength(1);
  });
});

describe('one bad destination or row', () => {
  it('does not delay the others: a hanging receiver gets its share and no more', async () => {
    const hanging = aSequence({ id: 'seq-hang', webhookUrl: `${receiver.url}/hang` });
    const healthy = aSequence({ id: 'seq-ok', webhookUrl: `${receiver.url}/ok` });
    const limits = limitsFor(6, 4);
    outbox = anOutbox(stores, { sequences: [hanging, healthy], overrides: { limits } });
    await outbox.start();
    await prove(hanging);
    receiver.answer = (request, response) => {
      if (request.path === '/ok') response.end();
    };
    const of = (sequenceId: string) =>
      ofManyLeads(fires(30, sequenceId)).map((fire) => ({ ...fire, sequenceId }));
    await fireAll(stores, outbox, hanging, of('seq-hang'));
    await fireAll(stores, outbox, healthy, of('seq-ok'));
    await until(() => stores.deliveries.countByState().delivered === 31);
    expect(receiver.requests.filter(({ path }) => path === '/hang')).toHaveLength(4);
    await until(() => outbox?.inFlight === 4);
    expect(receiver.requests.filter(({ path }) => path === '/hang')).toHaveLength(4);
  });

  it('does not delay the others: destinations that gave no answer share a part of the slots', async () => {
    const hung: Outgoing[] = [];
    const sender: Sender = {
      async send(outgoing, signal) {
        if (!outgoing.delivery.destination.endsWith('/dead')) {
          return delivered(200, '');
        }
        if (outgoing.delivery.attemptsMade === 0) return noAnswer('timeout', 'timeout');
        hung.push(outgoing);
        await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
        return noAnswer('aborted', 'aborted');
      },
      close: async () => {},
    };
    const dead = Array.from({ length: 8 }, (_, index) =>
      aSequence({ id: `seq-${index}`, webhookUrl: `http://host-${index}/dead` }),
    );
    const healthy = aSequence({ id: 'seq-ok', webhookUrl: 'http://host/ok' });
    const limits = { ...limitsFor(4, 4), attemptsToSuspectsMax: 3 };
    outbox = anOutbox(stores, {
      sequences: [...dead, healthy],
      overrides: { limits, webhookSender: sender },
    });
    await outbox.start();
    for (const sequence of dead) {
      await fireAll(stores, outbox, sequence, [
        aFire({ id: `fire-${sequence.id}`, sequenceId: sequence.id }),
      ]);
    }
    await until(() => hung.length === 3);
    const healthyFires = fires(20, 'ok').map((fire) => ({ ...fire, sequenceId: healthy.id }));
    await fireAll(stores, outbox, healthy, healthyFires);
    await until(() => stores.deliveries.countByState().delivered === 20);
    expect(hung).toHaveLength(3);
  });

  it('does not stop the outbox: an exception in a sender is a failed attempt', async () => {
    const sender: Sender = {
      send: ({ fire }) => {
        if (fire.id === 'fire-1') throw new TypeError('a bug');
        return Promise.resolve(delivered(200, ''));
      },
      close: async () => {},
    };
    const sequence = aSequence({ webhookUrl: 'http://host/hook' });
    const overrides = { webhookSender: sender, retryDelaysMs: [0, 1] };
    outbox = anOutbox(stores, { sequences: [sequence], overrides });
    await outbox.start();
    await fireAll(stores, outbox, sequence, fires(3));
    await until(() => stores.deliveries.countByState().dead === 1);
    await until(() => stores.deliveries.countByState().delivered === 2);
    const [delivery] = stores.fires.deliveriesOf('acme', 'fire-1');
    expect(delivery?.reason).toBe('attempts exhausted: internal: a bug');
  });

  it('does not stop the outbox: a row that cannot be read is set aside, and said', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    const [bad] = await fireAll(stores, null, sequence, fires(3));
    await stores.environment.table('deliveries').put([bad?.id ?? ''], Buffer.from([250]));
    const lines: LogLine[] = [];
    outbox = anOutbox(stores, { sequences: [sequence], lines });
    await outbox.start();
    await until(() => stores.deliveries.countByState().delivered === 2);
    await until(() => lines.some(({ level }) => level === 'error'));
    expect(lines.find(({ level }) => level === 'error')?.fields).toMatchObject({ deliveryId: bad?.id });
    expect(receiver.requests).toHaveLength(2);
    expect(stores.deliveries.lanes()[0]?.dueAtMs).toBeGreaterThan(Date.now());
  });

  it('is given up when its fire or its sequence is not known any more', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    outbox = anOutbox(stores, { sequences: [] });
    await outbox.start();
    await fireAll(stores, outbox, sequence, [aFire()]);
    await until(() => stores.deliveries.countByState().dead === 1);
    expect(stores.fires.deliveriesOf('acme', 'fire-1')[0]?.reason).toBe('the sequence is not known any more');
    expect(receiver.requests).toEqual([]);
  });
});

describe('the metrics', () => {
  it('hear of every attempt', async () => {
    const sequence = aSequence({ webhookUrl: `${receiver.url}/hook` });
    const outcomes: string[] = [];
    const answers = [answerWith(500), answerWith(200)];
    receiver.answer = (...exchange) => answers.shift()?.(...exchange);
    const onAttempt = ({
      channel,
      outcome,
      durationMs,
    }: {
      channel: string;
      outcome: string;
      durationMs: number;
    }) => {
      expect(durationMs).toBeGreaterThanOrEqual(0);
      outcomes.push(`${channel} ${outcome}`);
    };
    outbox = anOutbox(stores, { sequences: [sequence], overrides: { metrics: { onAttempt }, log: aLog() } });
    await outbox.start();
    await fireAll(stores, outbox, sequence, [aFire()]);
    await until(() => outcomes.length === 2);
    expect(outcomes).toEqual(['webhook failed', 'webhook delivered']);
  });
});
