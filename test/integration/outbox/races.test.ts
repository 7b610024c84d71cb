import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Destination } from '../../../src/model/destination.ts';
import type { Fire } from '../../../src/model/fire.ts';
import type { Sequence } from '../../../src/model/sequence.ts';
import { limitsFor } from '../../../src/outbox/options.ts';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import { planDeliveries } from '../../../src/outbox/plan.ts';
import { delivered, noAnswer, type Outgoing, type SendResult } from '../../../src/outbox/sender.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  fireAll,
  type LogLine,
  type OutboxSetup,
  openStores,
  type Stores,
} from '../../support/outbox.ts';

/*
 * What may go wrong where two things happen in one moment: changes of many rows and the record of an outcome, a
 * pause and a rate, a lane that is forgotten and one that waits for it, a clock that is set back.
 */

let dir: ReturnType<typeof aDataDir>;
let stores: Stores;
let outbox: Outbox;
let sent: Outgoing[];
let lines: LogLine[];
let answer: (outgoing: Outgoing, signal: AbortSignal) => Promise<SendResult>;
beforeEach(() => {
  dir = aDataDir();
  stores = openStores(dir.path);
  sent = [];
  lines = [];
  answer = async () => delivered(200, '');
});
afterEach(async () => {
  await outbox?.drain(0);
  await stores.environment.close().catch(() => {});
  dir.remove();
});
async function start(sequences: readonly Sequence[], overrides: OutboxSetup['overrides'] = {}) {
  const webhookSender = {
    send: (o: Outgoing, s: AbortSignal) => {
      sent.push(o);
      return answer(o, s);
    },
    close: async () => {},
  };
  outbox = anOutbox(stores, { sequences, lines, overrides: { webhookSender, ...overrides } });
  await outbox.start();
}
const sleep = (ms: number) => new Promise((r) => setTimeout(r, ms));
async function until(c: () => boolean, ms = 3000) {
  const end = Date.now() + ms;
  while (!c()) {
    if (Date.now() > end) throw new Error(`never: ${c}`);
    await sleep(5);
  }
}
const counts = () => stores.deliveries.countByState();
function firesOf({ id, ou }: Sequence, leads: readonly string[], prefix = 'fire'): Fire[] {
  return leads.map((leadId, index) =>
    aFire({ id: `${prefix}-${id}-${index}`, ou, sequenceId: id, leadId, streamSequence: index + 1 }),
  );
}
const URL1 = 'http://host/hook';
const at = (url = URL1) => ({ ou: 'acme', channel: 'webhook' as const, destination: url });
const dest = (url = URL1) => {
  const { breaker: _b, ...d } = outbox.destination(at(url));
  return d;
};
const PAUSE = { sinceMs: 1, reason: 'by hand' };
const sequence = aSequence({ webhookUrl: URL1 });

/** Makes the one delivery row that there is one of a version that nobody can read. */
async function spoilRow() {
  const { deliveries } = stores.deliveries.rows;
  const [row] = [...deliveries.getRange()];
  const good = Buffer.from(row!.value);
  const bad = Buffer.from(good);
  bad[0] = 9;
  await stores.environment.write(() => void deliveries.put(row!.key, bad));
  return { row: row!, good };
}

/** A clock that a test sets, whose timers come within 20 ms however far they are. */
function hastyClock(nowMs: () => number) {
  return {
    nowMs,
    after: (delayMs: number, run: () => void) => {
      const timer = setTimeout(run, Math.min(delayMs, 20));
      return () => clearTimeout(timer);
    },
  };
}

/** The attempt that ended well. */
const SUCCESS = {
  number: 1,
  startedAtMs: 1,
  durationMs: 1,
  outcome: 'delivered' as const,
  status: 200,
  error: null,
  response: '',
};

/** Changes what is set of a destination; that of the sequence without a URL. */
const set =
  (destination = 'http://host/hook') =>
  (settings: Partial<Destination>) =>
    outbox.changeDestination({ ou: 'acme', channel: 'webhook', destination }, (current) => ({
      ...current,
      ...settings,
    }));

it('holding a paused lane does not spin on a row that cannot be read', async () => {
  let holds = 0;
  const hold = stores.deliveries.hold.bind(stores.deliveries);
  stores.deliveries.hold = async (...a) => {
    holds += 1;
    if (holds > 2000) await sleep(100);
    return hold(...a);
  };
  await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  await spoilRow();
  const d = stores.destinations.destinationOf(at());
  await stores.destinations.put({ ...d, pause: PAUSE });
  await start([sequence]);
  await sleep(500);
  expect(holds).toBeLessThan(5);
});

it('a delivered row is not held (and sent again) by a hold asked for in the same moment', async () => {
  const [row] = await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  const lane = stores.deliveries.laneOf(row!);
  const rec = stores.deliveries.recordAttempts([
    { delivery: { ...row!, state: 'delivered', dueAtMs: null, attemptsMade: 1 }, attempt: SUCCESS },
  ]);
  const held = stores.deliveries.hold(lane, 'x', 5);
  await Promise.all([rec, held]);
  expect(counts()).toMatchObject({ delivered: 1, held: 0 });
});

it('what was delivered while its destination was paused and resumed is not sent twice', async () => {
  // Several attempts under way; the first asks for a pause, the others succeed a little later
  let n = 0;
  answer = async () => {
    const k = n++;
    if (k === 0) return { ...delivered(200, ''), pauseReason: 'asked to' };
    await sleep(1 + (k % 7));
    return delivered(200, '');
  };
  let twice = 0;
  for (let round = 0; round < 40; round += 1) {
    n = 1;
    if (round === 0) {
      await start([sequence]);
      await fireAll(stores, outbox, sequence, firesOf(sequence, ['z'], 'first'));
      await until(() => outbox.inFlight === 0 && counts().delivered === 1);
    }
    n = 0;
    await fireAll(
      stores,
      outbox,
      sequence,
      firesOf(
        sequence,
        Array.from({ length: 12 }, (_, i) => `l${i}`),
        `r${round}`,
      ),
    );
    await until(() => counts().pending === 0 && outbox.inFlight === 0);
    await sleep(10);
    await set()({ pause: null });
    await until(
      () => counts().held === 0 && counts().pending === 0 && counts().retrying === 0 && outbox.inFlight === 0,
      5000,
    );
    await sleep(5);
  }
  const by = new Map<string, number>();
  for (const { fire } of sent) by.set(fire.id, (by.get(fire.id) ?? 0) + 1);
  twice = [...by.values()].filter((c) => c > 1).length;
  expect(twice).toBe(0);
});

it('a release asked for in the moment of a delivery does not send it again', async () => {
  const [row] = await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  const lane = stores.deliveries.laneOf(row!);
  await stores.deliveries.hold(lane, 'x', 5);
  const rec = stores.deliveries.recordAttempts([
    { delivery: { ...row!, state: 'delivered', dueAtMs: null, attemptsMade: 1 }, attempt: SUCCESS },
  ]);
  const rel = stores.deliveries.release(lane, 5);
  await Promise.all([rec, rel]);
  expect(counts()).toMatchObject({ delivered: 1 });
});

it('what was planned as held and came to disk after the resume goes out', async () => {
  await start([sequence]);
  await set()({ pause: PAUSE });
  const fires = firesOf(sequence, ['a']);
  const entries = fires.map((fire) => ({
    fire,
    deliveries: planDeliveries(fire, sequence, {
      emailConfigured: true,
      nowMs: Date.now(),
      pauseReason: (d) => outbox.heldReason(d),
    }),
  }));
  await set()({ pause: null });
  outbox.wake(await stores.fires.commitFires(entries).flushed);
  await until(() => counts().delivered === 1);
});

it('a backlog from a long downtime is not given up because the destination fails for a second', async () => {
  const longAgo = Date.now() - 5 * 24 * 3600_000;
  const fires = firesOf(
    sequence,
    Array.from({ length: 50 }, (_, i) => `l${i}`),
  );
  await stores.fires.commitFires(
    fires.map((fire) => ({
      fire,
      deliveries: planDeliveries(fire, sequence, { emailConfigured: true, nowMs: longAgo }),
    })),
  ).flushed;
  answer = async () => ({ ...noAnswer('internal', '503'), status: 503, error: null });
  await start([sequence], {
    retryDelaysMs: [0, 60_000],
    breaker: { failuresMin: 5, streakMsMin: 0, pauseMsMin: 200, pauseMsMax: 400 },
  });
  await sleep(1500);
  const dead = stores.deliveries.listDeliveries('acme', { status: 'dead', page: 1, limit: 100 }).deliveries;
  expect(dead.filter((d) => d.attemptsMade === 0)).toHaveLength(0);
});

it('an unreadable row in the queue of an older program does not stop the start', async () => {
  const { environment } = stores;
  await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  const { row } = await spoilRow();
  await environment.table('delivery_queue').clearAsync();
  await environment
    .table('delivery_due')
    .put(['webhook:digest', 7, String([row.key].flat()[0])], Buffer.from([1]));
  await environment.close();
  stores = openStores(dir.path);
});

it('a lane that waits for its server is woken although the one before it was paused and forgotten', async () => {
  const urls = ['http://host/0', 'http://host/1', 'http://host/2', 'http://host/3', 'http://host/4'];
  const seqs = urls.map((webhookUrl, i) => aSequence({ id: `s-${i}`, webhookUrl }));
  let free: (r: SendResult) => void = () => {};
  answer = ({ delivery }) =>
    delivery.destination === urls[0]
      ? new Promise((r) => {
          free = r;
        })
      : Promise.resolve(delivered(200, ''));
  await start(seqs, { limits: limitsFor(8, 2), retryDelaysMs: [0] });
  for (const s of seqs) await fireAll(stores, outbox, s, firesOf(s, ['a']));
  await until(() => sent.length === 1);
  await set(urls[1])({ pause: PAUSE });
  for (const u of [2, 3]) await set(urls[u])({ pause: PAUSE });
  await until(() => counts().held === 3);
  free(noAnswer('timeout', 'timeout'));
  await until(() => counts().dead === 1);
  await until(() => counts().delivered === 1);
});

it('a pause is not undone by a rate set at the same time', async () => {
  await start([sequence]);
  const pause = set()({ pause: PAUSE });
  const rate = set()({ ratePerSecond: 5 }); // what composition/destinations.change does
  await Promise.all([pause, rate]);
  expect(dest().pause).not.toBeNull();
});

it('a repetition does not go to a new URL that is paused', async () => {
  const moved = { ...sequence, webhookUrl: 'http://host/new' };
  let current = sequence;
  answer = async () => noAnswer('timeout', 'timeout');
  await start([], { sequenceOf: () => current, retryDelaysMs: [0, 200, 200] });
  await set('http://host/new')({ pause: PAUSE });
  await fireAll(stores, outbox, sequence, firesOf(sequence, ['ada']));
  await until(() => counts().retrying === 1);
  current = moved;
  await sleep(800);
  expect(sent.filter((s) => s.delivery.destination === 'http://host/new')).toHaveLength(0);
});

it('a row that becomes readable after it was postponed is sent once', async () => {
  await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  const { row, good } = await spoilRow();
  let nowMs = Date.now() + 1000;
  const clock = hastyClock(() => nowMs);
  await start([sequence], { clock });
  await sleep(200);
  await stores.environment.write(() => void stores.deliveries.rows.deliveries.put(row.key, good));
  nowMs += 2 * 3600_000;
  await until(() => sent.length > 0);
  await sleep(200);
  await fireAll(stores, outbox, sequence, firesOf(sequence, ['q'], 'later'));
  await until(() => sent.some((x) => x.fire.id.startsWith('later')));
  await sleep(200);
  await outbox.drain(100);
  await start([sequence], { clock });
  await sleep(200);
  expect(sent.length).toBe(2);
});

it('with a rate, a clock that is set back does not stop the lane', async () => {
  let nowMs = Date.now() + 1000;
  const clock = hastyClock(() => nowMs);
  await start([sequence], { clock, ratePerSecond: 1 });
  await fireAll(stores, outbox, sequence, firesOf(sequence, ['a', 'b', 'c']));
  await until(() => counts().delivered >= 1);
  nowMs -= 3600_000;
  const f = firesOf(sequence, ['d', 'e'], 'later');
  outbox.wake(
    await stores.fires.commitFires(
      f.map((fire) => ({
        fire,
        deliveries: planDeliveries(fire, sequence, { emailConfigured: true, nowMs }),
      })),
    ).flushed,
  );
  for (let i = 0; i < 20; i += 1) {
    nowMs += 5_000;
    await sleep(50);
  }
  expect(sent.filter((s) => s.fire.id.startsWith('later')).length).toBe(2);
});

it('redelivery of a row that was read ahead begins the schedule anew', async () => {
  // three rows of the lane at attempt 1 of 2, read ahead while the lane is untried-suspect with one at a time
  const rows = ['x', 'y', 'z'].map((leadId, i) => ({ leadId, i }));
  const fires = firesOf(
    sequence,
    rows.map((r) => r.leadId),
  );
  await stores.fires.commitFires(
    fires.map((fire) => ({
      fire,
      deliveries: planDeliveries(fire, sequence, { emailConfigured: true, nowMs: Date.now() }).map((d) => ({
        ...d,
        state: 'retrying' as const,
        attemptsMade: 1,
      })),
    })),
  ).flushed;
  const free: Array<(r: SendResult) => void> = [];
  answer = () =>
    new Promise((r) => {
      free.push(r);
    });
  await start([sequence], { retryDelaysMs: [0, 60_000] });
  await until(() => sent.length === 1);
  const last = stores.fires.deliveriesOf('acme', fires[2]!.id)[0]!;
  expect(outbox.isUnderWay(last)).toBe(false);
  const r = await stores.deliveries.redeliver('acme', last.id, Date.now());
  if (r.ok) outbox.wake([r.delivery]);
  for (let i = 0; i < 3; i += 1) {
    await until(() => free.length > 0);
    free.shift()!({ ...noAnswer('timeout', 't') });
    await sleep(50);
  }
  const now = stores.fires.deliveriesOf('acme', fires[2]!.id)[0]!;
  expect(now).toMatchObject({ state: 'retrying', attemptsBefore: 1 });
});

it('a hold that the store refuses does not spin', async () => {
  let holds = 0;
  stores.deliveries.hold = async () => {
    holds += 1;
    if (holds > 5000) await sleep(100);
    throw new Error('store');
  };
  await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  await stores.destinations.put({ ...stores.destinations.destinationOf(at()), pause: PAUSE });
  await start([sequence]);
  await sleep(300);
  expect(holds).toBeLessThan(5);
});

it('a row whose postponing failed once is looked at again', async () => {
  let first = true;
  const postpone = stores.deliveries.postpone.bind(stores.deliveries);
  let calls = 0;
  stores.deliveries.postpone = async (...a) => {
    calls += 1;
    if (first) {
      first = false;
      throw new Error('store');
    }
    return postpone(...a);
  };
  await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  await spoilRow();
  let nowMs = Date.now() + 1000;
  const clock = hastyClock(() => nowMs);
  await start([sequence], { clock });
  for (let i = 0; i < 10; i += 1) {
    nowMs += 30 * 60_000;
    await sleep(30);
  }
  expect(calls).toBeGreaterThan(1);
});

it('redelivered rows that were never attempted go in the order of the fires', async () => {
  const fires = firesOf(
    sequence,
    Array.from({ length: 12 }, () => 'ada'),
  );
  const nowMs = Date.now();
  await stores.fires.commitFires(
    fires.map((fire) => ({
      fire,
      deliveries: planDeliveries(fire, sequence, { emailConfigured: true, nowMs }).map((d) => ({
        ...d,
        state: 'dead' as const,
        dueAtMs: null,
      })),
    })),
  ).flushed;
  await start([sequence]);
  const made = await stores.deliveries.redeliverRange(
    'acme',
    'seq-1',
    { status: 'dead', fromMs: 0, toMs: nowMs + 1, after: null, countMax: 100 },
    (i) => Date.now() + i * 10,
    Date.now(),
  );
  outbox.wake(made.deliveries);
  await until(() => counts().delivered === 12);
  const order = sent.map((s) => s.fire.streamSequence);
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

it('what a late 410 had held goes out when its destination is resumed', async () => {
  const free: Array<(r: SendResult) => void> = [];
  answer = () =>
    new Promise((r) => {
      free.push(r);
    });
  const real = stores.deliveries.recordAttempts.bind(stores.deliveries);
  let gate: Promise<void> | null = null;
  stores.deliveries.recordAttempts = async (x) => {
    if (gate) await gate;
    return real(x);
  };
  await start([sequence]);
  await fireAll(stores, outbox, sequence, firesOf(sequence, ['w'], 'warm'));
  await until(() => free.length === 1);
  free.shift()!(delivered(200, ''));
  await until(() => counts().delivered === 1);
  await fireAll(stores, outbox, sequence, firesOf(sequence, ['a', 'b']));
  await until(() => free.length === 2);
  let open = () => {};
  gate = new Promise((r) => {
    open = r;
  });
  const GONE: SendResult = {
    ...noAnswer('internal', '410'),
    status: 410,
    error: null,
    pauseReason: '410 Gone',
  };
  free[0]!(GONE);
  free[1]!(GONE);
  await until(() => dest().pause !== null);
  await set()({ pause: null });
  open();
  gate = null;
  answer = async () => delivered(200, '');
  await sleep(300);
  expect(dest().pause).toBeNull();
  expect(counts().held).toBe(0);
});

it('emails that are held for want of a server do not spin on a row that cannot be read', async () => {
  const mail = aSequence({ emails: ['a@b.c'] });
  await fireAll(stores, null, mail, firesOf(mail, ['a']), true);
  await spoilRow();
  let holds = 0;
  const hold = stores.deliveries.hold.bind(stores.deliveries);
  stores.deliveries.hold = async (...a) => {
    holds += 1;
    if (holds > 2000) await sleep(100);
    return hold(...a);
  };
  await start([mail]);
  await sleep(300);
  expect(holds).toBeLessThan(5);
});
it('a new URL in the moment of a delivery does not send it again', async () => {
  const [row] = await fireAll(stores, null, sequence, firesOf(sequence, ['a']));
  const lane = stores.deliveries.laneOf(row!);
  await stores.deliveries.hold(lane, 'x', 5);
  const rec = stores.deliveries.recordAttempts([
    { delivery: { ...row!, state: 'delivered', dueAtMs: null, attemptsMade: 1 }, attempt: SUCCESS },
  ]);
  await Promise.all([rec, stores.deliveries.readdress('acme', 'seq-1', 'http://host/new', 7)]);
  expect(counts()).toMatchObject({ delivered: 1 });
});
