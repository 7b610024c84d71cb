import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Delivery } from '../../../src/model/delivery.ts';
import type { Fire } from '../../../src/model/fire.ts';
import type { Sequence } from '../../../src/model/sequence.ts';
import { DEFAULT_LIMITS, limitsFor } from '../../../src/outbox/options.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import { planDeliveries } from '../../../src/outbox/plan.ts';
import { delivered, noAnswer, type Outgoing, type SendResult } from '../../../src/outbox/sender.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  fireAll,
  type OutboxSetup,
  openStores,
  type Stores,
  until,
} from '../../support/outbox.ts';

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let outbox: Outbox;
/** What was sent, in the order in which it began. */
let sent: Outgoing[];
let answer: (outgoing: Outgoing, signal: AbortSignal) => Promise<SendResult>;

const GONE: SendResult = {
  ...noAnswer('internal', 'answered 410'),
  status: 410,
  error: null,
  pauseReason: 'answered 410 Gone',
};

beforeEach(() => {
  dir = aDataDir();
  stores = openStores(dir.path);
  sent = [];
  answer = async () => delivered(200, '');
});

afterEach(async () => {
  await outbox.drain(0);
  await stores.environment.close();
  dir.remove();
});

async function start(
  sequences: readonly Sequence[],
  overrides: OutboxSetup['overrides'] = {},
): Promise<void> {
  const webhookSender = {
    send: (outgoing: Outgoing, signal: AbortSignal) => {
      sent.push(outgoing);
      return answer(outgoing, signal);
    },
    close: async () => {},
  };
  outbox = anOutbox(stores, { sequences, overrides: { webhookSender, ...overrides } });
  await outbox.start();
}

async function restart(sequences: readonly Sequence[]): Promise<void> {
  await outbox.drain(1_000);
  await stores.environment.close();
  stores = openStores(dir.path);
  await start(sequences);
}

const counts = () => stores.deliveries.countByState();

/** Fires of a sequence in the order of the stream, by lead. */
function firesOf({ id, ou }: Sequence, leads: readonly string[], prefix = 'fire'): Fire[] {
  return leads.map((leadId, index) =>
    aFire({ id: `${prefix}-${id}-${index}`, ou, sequenceId: id, leadId, streamSequence: index + 1 }),
  );
}

const leads = (count: number) => Array.from({ length: count }, (_, index) => `lead-${index}`);

/** Does not answer before it is cut off. */
async function hang(_outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return noAnswer('aborted', 'aborted');
}

const deliveryOf = (fire: Fire): Delivery | undefined => stores.fires.deliveriesOf(fire.ou, fire.id)[0];

describe('first attempts of one sequence and lead', () => {
  const sequence = aSequence({ webhookUrl: 'http://host/hook' });

  it('are made in the order of the fires, one after the other, while those of other leads go on', async () => {
    const underWay = new Set<string>();
    const overlaps: string[] = [];
    let most = 0;
    answer = async ({ fire }) => {
      if (underWay.has(fire.leadId)) overlaps.push(fire.leadId);
      underWay.add(fire.leadId);
      most = Math.max(most, underWay.size);
      await new Promise((resolve) => setTimeout(resolve, (fire.streamSequence * 7) % 5));
      underWay.delete(fire.leadId);
      return delivered(200, '');
    };
    await start([sequence]);
    const fires = firesOf(
      sequence,
      Array.from({ length: 300 }, (_, index) => `lead-${(index * index) % 11}`),
    );
    await fireAll(stores, outbox, sequence, fires);
    await until(() => counts().delivered === fires.length);
    expect(overlaps).toEqual([]);
    expect(most).toBeGreaterThan(2);
    for (const lead of leads(11)) {
      const places = sent.filter(({ fire }) => fire.leadId === lead).map(({ fire }) => fire.streamSequence);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
  });

  it('wait for no repetition: the one that failed is made again while the next go out', async () => {
    answer = async ({ fire, delivery }) =>
      fire.streamSequence === 1 && delivery.attemptsMade === 0
        ? { ...noAnswer('internal', 'answered 500'), status: 500, error: null }
        : delivered(200, '');
    await start([sequence], { retryDelaysMs: [0, 300, 300] });
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada', 'ada', 'ada']));
    await until(() => counts().delivered === 3);
    expect(sent.map(({ fire }) => fire.streamSequence)).toEqual([1, 2, 3, 1]);
  });

  it('do not wait for a hot lead when they are of others', async () => {
    answer = (outgoing, signal) =>
      outgoing.fire.leadId === 'hot' && outgoing.fire.streamSequence > 1
        ? hang(outgoing, signal)
        : Promise.resolve(delivered(200, ''));
    await start([sequence]);
    const fires = firesOf(sequence, [...Array.from({ length: 200 }, () => 'hot'), ...leads(5)]);
    await fireAll(stores, outbox, sequence, fires);
    await until(() => counts().delivered === 6);
    expect(sent.filter(({ fire }) => fire.leadId === 'hot')).toHaveLength(2);
  });
});

describe('a destination that wants no more', () => {
  const sequence = aSequence({ webhookUrl: 'http://host/hook' });
  const other = aSequence({ id: 'seq-2', webhookUrl: 'http://host/other' });

  it('is paused: its deliveries are held with the reason, those under way and those to come, and no other', async () => {
    answer = async ({ delivery }) => (delivery.destination.endsWith('/hook') ? GONE : delivered(200, ''));
    await start([sequence, other]);
    const fires = firesOf(sequence, leads(20));
    await fireAll(stores, outbox, sequence, fires);
    await until(() => counts().held === 20);
    const attempts = sent.length;
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(3), 'later'));
    await fireAll(stores, outbox, other, firesOf(other, leads(3)));
    await until(() => counts().held === 23 && counts().delivered === 3);
    expect(sent).toHaveLength(attempts + 3);
    expect(deliveryOf(fires[0]!)).toMatchObject({
      state: 'held',
      reason: 'answered 410 Gone',
      attemptsMade: 1,
    });
    expect(
      outbox.destination({ ou: 'acme', channel: 'webhook', destination: 'http://host/hook' }),
    ).toMatchObject({
      pause: { reason: 'answered 410 Gone' },
    });
  });

  it('stays paused over a restart, and gets everything once it is resumed', async () => {
    answer = async () => GONE;
    await start([sequence]);
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(5)));
    await until(() => counts().held === 5);
    await restart([sequence]);
    const attempts = sent.length;
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(2), 'later'));
    await until(() => counts().held === 7);
    expect(sent).toHaveLength(attempts);

    answer = async () => delivered(200, '');
    const at = { ou: 'acme', channel: 'webhook', destination: 'http://host/hook' } as const;
    await outbox.changeDestination(at, (current) => ({ ...current, pause: null }));
    await until(() => counts().delivered === 7);
    expect([...stores.destinations.all()]).toEqual([]);
  });

  it('keeps its pause when its rate is changed at the same moment', async () => {
    await start([sequence]);
    const at = { ou: 'acme', channel: 'webhook', destination: 'http://host/hook' } as const;
    await Promise.all([
      outbox.changeDestination(at, (current) => ({ ...current, pause: { sinceMs: 1, reason: 'a' } })),
      outbox.changeDestination(at, (current) => ({ ...current, ratePerSecond: 7 })),
    ]);
    expect(outbox.destination(at)).toMatchObject({ pause: { reason: 'a' }, ratePerSecond: 7 });
    expect(stores.destinations.all()).toMatchObject([{ pause: { reason: 'a' }, ratePerSecond: 7 }]);
  });

  it('hands out what is recorded as held only after it was resumed', async () => {
    let isGone = true;
    const release: Array<() => void> = [];
    const { deliveries } = stores;
    const queue = new Proxy(deliveries, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (name !== 'recordAttempts') return value.bind(target);
        return async (settlements: Parameters<typeof deliveries.recordAttempts>[0]) => {
          if (isGone) await new Promise<void>((resolve) => void release.push(resolve));
          return deliveries.recordAttempts(settlements);
        };
      },
    });
    answer = async () => (isGone ? GONE : delivered(200, ''));
    await start([sequence], { queue });
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
    const at = { ou: 'acme', channel: 'webhook', destination: 'http://host/hook' } as const;
    await until(() => release.length === 1 && outbox.destination(at).pause !== null);
    isGone = false;
    await outbox.changeDestination(at, (current) => ({ ...current, pause: null }));
    release[0]!();
    await until(() => counts().delivered === 1);
  });

  it('hands out a fire that was planned as held and comes to be stored only after it was resumed', async () => {
    await start([sequence]);
    const at = { ou: 'acme', channel: 'webhook', destination: 'http://host/hook' } as const;
    await outbox.changeDestination(at, (current) => ({ ...current, pause: { sinceMs: 1, reason: 'a' } }));
    const [fire] = firesOf(sequence, ['ada']) as [Fire];
    const pauseReason = () => outbox.heldReason(at);
    const options = { emailConfigured: true, pauseReason, nowMs: Date.now() };
    const deliveries = planDeliveries(fire, sequence, options);
    expect(deliveries).toMatchObject([{ state: 'held' }]);
    await outbox.changeDestination(at, (current) => ({ ...current, pause: null }));
    outbox.wake(await stores.fires.commitFires([{ fire, deliveries }]).flushed);
    await until(() => counts().delivered === 1);
  });

  it('may say so with a success', async () => {
    answer = async () => ({ ...delivered(200, ''), pauseReason: 'asked to' });
    await start([sequence]);
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
    await until(() => counts().delivered === 1);
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada'], 'later'));
    await until(() => counts().held === 1);
    expect(sent).toHaveLength(1);
  });

  it('is paused for the OU that sent to it, and for no other', async () => {
    const theirs = aSequence({ ou: 'other', id: 'seq-3', webhookUrl: sequence.webhookUrl });
    answer = async ({ delivery }) => (delivery.ou === 'acme' ? GONE : delivered(200, ''));
    await start([sequence, theirs]);
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
    await until(() => counts().held === 1);
    await fireAll(stores, outbox, theirs, firesOf(theirs, ['ada']));
    await until(() => counts().delivered === 1);
  });

  it('is not asked again when the sequence points elsewhere: a repetition goes to the new URL', async () => {
    const moved = { ...sequence, webhookUrl: 'http://host/new' };
    let current = sequence;
    answer = async ({ delivery }) =>
      delivery.destination.endsWith('/new') ? delivered(200, '') : noAnswer('timeout', 'timeout');
    await start([], { sequenceOf: () => current, retryDelaysMs: [0, 200] });
    await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
    await until(() => counts().retrying === 1);
    current = moved;
    await until(() => counts().delivered === 1);
    expect(sent.map(({ delivery }) => delivery.destination)).toEqual(['http://host/hook', 'http://host/new']);
    expect(deliveryOf(firesOf(sequence, ['ada'])[0]!)?.destination).toBe('http://host/new');
  });
});

describe('a destination that fails', () => {
  const sequence = aSequence({ webhookUrl: 'http://host/hook' });
  const FAST = { failuresMin: 3, streakMsMin: 0, pauseMsMin: 50, pauseMsMax: 100 };

  it('is spared by its breaker, which takes no attempts from the deliveries that wait', async () => {
    let isUp = false;
    answer = async () =>
      isUp ? delivered(200, '') : { ...noAnswer('internal', '500'), status: 500, error: null };
    const retryDelaysMs = [0, 60_000, 60_000];
    await start([sequence], { breaker: FAST, limits: limitsFor(8, 1), retryDelaysMs });
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(50)));
    const status = () =>
      outbox.destination({ ou: 'acme', channel: 'webhook', destination: 'http://host/hook' }).breaker;
    await until(() => sent.length >= 5);
    expect(status().failuresInARow).toBeGreaterThanOrEqual(3);
    expect(counts().pending).toBeGreaterThan(30);
    isUp = true;
    await until(() => counts().pending === 0);
    expect(status()).toEqual({ state: 'closed', failuresInARow: 0, untilMs: null });
    const waited = stores.deliveries.listDeliveries('acme', { status: 'delivered', page: 1, limit: 100 });
    expect(waited.deliveries.every(({ attemptsMade }) => attemptsMade === 1)).toBe(true);
    expect(waited.total + counts().retrying).toBe(50);
  });

  it('is not held against for what concerns one message alone', async () => {
    const refused: SendResult = {
      ...noAnswer('internal', '451'),
      status: 451,
      error: null,
      concerns: 'message',
    };
    answer = async ({ fire }) => (fire.streamSequence <= 10 ? refused : delivered(200, ''));
    const breaker = { ...FAST, pauseMsMin: 3_600_000, pauseMsMax: 3_600_000 };
    await start([sequence], { breaker, retryDelaysMs: [0] });
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(12)));
    await until(() => counts().delivered === 2 && counts().dead === 10);
  });
});

describe('the shares', () => {
  it('leave room for destinations that are new when a dead host has hundreds of paths', async () => {
    const dead = Array.from({ length: 200 }, (_, index) =>
      aSequence({ id: `dead-${index}`, webhookUrl: `http://dead/${index}` }),
    );
    const healthy = Array.from({ length: 20 }, (_, index) =>
      aSequence({ id: `ok-${index}`, webhookUrl: `http://host-${index}/ok` }),
    );
    answer = (outgoing, signal) =>
      outgoing.delivery.destination.startsWith('http://dead/')
        ? hang(outgoing, signal)
        : Promise.resolve(delivered(200, ''));
    await start([...dead, ...healthy]);
    for (const sequence of [...dead, ...healthy]) {
      await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
    }
    await until(() => counts().delivered === 20);
    const toDead = sent.filter(({ delivery }) => delivery.destination.startsWith('http://dead/'));
    expect(toDead).toHaveLength(DEFAULT_LIMITS.attemptsToUnprovenPerOriginMax);
  });

  it('of a server pass on from lane to lane until each had its attempt', async () => {
    const sequences = Array.from({ length: 60 }, (_, index) =>
      aSequence({ id: `seq-${index}`, webhookUrl: `http://host/${index}` }),
    );
    answer = async () => noAnswer('timeout', 'timeout');
    await start(sequences, { retryDelaysMs: [0] });
    for (const sequence of sequences) {
      await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada', 'bob', 'cyd']));
    }
    await until(() => counts().dead === 180);
  });

  it('of a rate are kept: no more begins while the clock stands still', async () => {
    const sequence = aSequence({ webhookUrl: 'http://host/hook' });
    let nowMs = Date.now() + 1_000;
    const timers: Array<() => void> = [];
    const clock = {
      nowMs: () => nowMs,
      after: (_delayMs: number, run: () => void) => {
        timers.push(run);
        return () => timers.splice(timers.indexOf(run), 1);
      },
    };
    await start([sequence], { clock, ratePerSecond: 10 });
    await fireAll(stores, outbox, sequence, firesOf(sequence, leads(40)));
    await until(() => counts().delivered === 2 && outbox.inFlight === 0);
    nowMs += 1_000;
    for (const run of timers.splice(0)) run();
    await until(() => counts().delivered >= 4 && outbox.inFlight === 0);
    expect(sent.length).toBeLessThanOrEqual(5);
  });
});
