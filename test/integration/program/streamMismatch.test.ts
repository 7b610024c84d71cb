import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { temporaryDirectory, waitFor } from '../../support/nats.ts';
import { metricOf } from '../../support/program.ts';
import { answerWith, type Receiver, startReceiver } from '../../support/receivers.ts';
import { type Past, Stage } from '../../support/stage.ts';
import { acceptAtRestart, expectGoingOn, expectHalt } from '../../support/streamVerdict.ts';

const ACCEPT = { ON_STREAM_MISMATCH: 'accept' };
const NO_CHECKPOINT = { CHECKPOINT_INTERVAL_MS: '600000' };

// Each starts the program several times.
vi.setConfig({ testTimeout: 90_000 });

let stage: Stage;
let receiver: Receiver;
let pasts: string;
/** The program was started on a new stream, let a lead fire and another one begin, and was stopped: position 3. */
let threeRead: Past;
/** The same, but the server was restored from a copy that it had been made before message 3. */
let twoLeft: Past;

// Most begin from one of these, each with copies of its own.
beforeAll(async () => {
  receiver = await startReceiver();
  pasts = await temporaryDirectory('pasts');
  await open();
  await stage.start();
  await stage.publishBoth('ada');
  await stage.waitForFire('ada');
  const copy = await keepServerCopy();
  await stage.publish('bob', 'first');
  await stage.waitForPosition(3);
  await stage.waitForFiresReceived(1);
  expect(await stage.program.stop()).toBe(0);
  threeRead = await stage.keepPast(join(pasts, 'threeRead'));
  copy();
  twoLeft = await stage.keepPast(join(pasts, 'twoLeft'));
  await stage.close();
});

afterEach(() => stage.close());

afterAll(async () => {
  await receiver.close();
  rmSync(pasts, { recursive: true });
});

async function open(past?: Past): Promise<void> {
  receiver.answer = answerWith(200, 'ok');
  receiver.requests.length = 0;
  stage = await Stage.open({ receiver, ...(past !== undefined && { past }) });
}

/** Replaces the store of the server, which has to be down, by what it was when the copy was kept. */
async function restoreServer(putBack: () => void): Promise<void> {
  await stage.nats.kill('SIGTERM');
  putBack();
  await stage.nats.start();
  await waitFor('the client to be back', () => stage.client.flush().then(() => true));
}

describe('a start is `fresh`', () => {
  it('on a new data directory, and again when that was removed: all that the stream holds is read', async () => {
    await open();
    await stage.start();
    await stage.publishBoth('ada');
    await stage.publish('bob', 'first');
    await stage.waitForPosition(3);
    await stage.waitForFire('ada');
    expect(await stage.program.stop()).toBe(0);
    expect(stage.program.log()).toContain('"verdict":{"outcome":"fresh"}');
    rmSync(stage.dataDir.path, { recursive: true });
    stage.sequenceId = '';
    await stage.start();
    await expectGoingOn(stage, 'fresh', 'halt');
    await stage.waitForPosition(3);
    await stage.publishBoth('eve');
    await stage.waitForFire('eve');
  });
});

describe('a start is `resume`', () => {
  it('on the same stream, which goes on, also with the policy `accept` left on', async () => {
    await open(threeRead);
    await stage.publish('bob', 'second');
    await stage.start(ACCEPT);
    await expectGoingOn(stage, 'resume', 'accept');
    await stage.waitForFire('bob');
    expect(await stage.fired()).toEqual(['ada', 'bob']);
    await stage.waitForPosition(4);
    expect(await stage.applied('held')).toBe(1);
  });

  it('where the message at the position was deleted singly', async () => {
    await open(threeRead);
    await stage.manager.streams.deleteMessage('EVENTS', 3);
    await stage.publish('bob', 'second');
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    await stage.waitForFire('bob');
    expect(await stage.fired()).toEqual(['ada', 'bob']);
  });

  it('where all that was read was removed since, and nothing else', async () => {
    await open(threeRead);
    await stage.manager.streams.purge('EVENTS');
    await stage.publish('bob', 'second');
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    await stage.waitForFire('bob');
  });

  it('with an older copy of the lead states: the same fires under the same ids, and those that the copy does not know are sent again', async () => {
    await open(threeRead);
    const putBack = stage.keepCopy(stage.states);
    await stage.publish('bob', 'second');
    await stage.publishBoth('eve');
    await stage.start();
    await waitFor('three requests', () => stage.webhookIds.length === 3);
    const before = (await stage.program.call<{ events: object[] }>('GET', '/sequence-events')).events;
    expect(await stage.program.stop()).toBe(0);
    putBack();
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    await waitFor('the two requests again', () => stage.webhookIds.length === 5);
    const [, bob, eve, ...again] = stage.webhookIds;
    expect(again.sort()).toEqual([bob, eve].sort());
    await waitFor('all of them to be delivered', async () => {
      const { events } = await stage.program.call<{ events: { deliveries: { state: string }[] }[] }>(
        'GET',
        '/sequence-events',
      );
      return events.length === 3 && events.every(({ deliveries }) => deliveries[0]?.state === 'delivered');
    });
    const ids = (fires: object[]) => fires.map((fire) => (fire as { id: string }).id).sort();
    const after = (await stage.program.call<{ events: object[] }>('GET', '/sequence-events')).events;
    expect(ids(after)).toEqual(ids(before));
  });
});

describe('a start is `retention_gap`', () => {
  const waysToLose: [string, () => Promise<unknown>][] = [
    ['everything was purged', () => stage.manager.streams.purge('EVENTS')],
    ['the first were purged', () => stage.manager.streams.purge('EVENTS', { seq: 6 })],
    [
      'the stream keeps fewer messages than came',
      async () => {
        const { config } = await stage.manager.streams.info('EVENTS');
        await stage.manager.streams.update('EVENTS', { ...config, max_msgs: 1 });
      },
    ],
  ];

  it.each(waysToLose)('where %s before it was read; accepted, it goes on behind the gap', async (_, lose) => {
    await open(threeRead);
    // Bob's second is message 4; Eve's are 5 and 6.
    await stage.publish('bob', 'second');
    await stage.publishBoth('eve');
    await lose();
    const first = (await stage.manager.streams.info('EVENTS')).state.first_seq;
    await stage.start({}, { ready: false });
    expect(await expectHalt(stage, 'retention_gap')).toContain(`messages 4 to ${first - 1} of EVENTS`);
    await stage.waitForPosition(3);
    await acceptAtRestart(stage, 'retention_gap');
    expect(await metricOf(stage.program, 'feed_gap_messages_total')).toBe(first - 4);
    // With room for one message what comes now could go before it is read.
    const { config } = await stage.manager.streams.info('EVENTS');
    await stage.manager.streams.update('EVENTS', { ...config, max_msgs: -1 });
    await stage.publish('bob', 'second-but-another');
    await stage.publishBoth('dan');
    await stage.waitForFire('dan');
    expect(await stage.fired()).toEqual(['ada', 'dan']);
    expect(await stage.program.stop()).toBe(0);
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
  });
});

describe('a start is `recreated`', () => {
  it('where the stream was deleted and made anew: it is not read until an operator accepts it, while deliveries go out', async () => {
    await open();
    stage.receiver.answer = answerWith(500);
    await stage.start({ RETRY_SCHEDULE: '0s,1s,1s' });
    await stage.publishBoth('ada');
    await stage.publish('bob', 'first');
    await waitFor('the attempt that fails', () => stage.webhookIds.length === 1);
    expect(await stage.program.stop()).toBe(0);
    await stage.manager.streams.delete('EVENTS');
    stage.receiver.answer = answerWith(200);

    await stage.start({ RETRY_SCHEDULE: '0s,1s,1s' }, { ready: false });
    await expectHalt(stage, 'recreated');
    await waitFor('the delivery', () => stage.webhookIds.length === 2);
    await stage.waitForFiresReceived(1);
    // Stored by the new stream, for whoever accepts it.
    await stage.program.call('POST', '/ingest', { id: 'i1', lead_id: 'bob', event_type: 'second' });
    await stage.waitForPosition(3);
    expect(await stage.program.stop()).toBe(0);

    await stage.start({}, { ready: false });
    await expectHalt(stage, 'recreated');
    await acceptAtRestart(stage, 'recreated');
    await stage.waitForFire('bob');
    await stage.waitForPosition(4);
    await stage.program.kill();
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    await stage.publishBoth('eve');
    await stage.waitForFire('eve');
    await stage.waitForPosition(6);
    expect(await stage.fired()).toEqual(['ada', 'bob', 'eve']);
  });
});

describe('a start is `recreated` also', () => {
  it('after a crash before the first checkpoint, because a logged change speaks of the stream before', async () => {
    await open();
    await stage.start(NO_CHECKPOINT);
    await stage.publish('bob', 'first');
    await stage.waitForPosition(1);
    await stage.program.kill();
    await stage.manager.streams.delete('EVENTS');
    await stage.start({}, { ready: false });
    await expectHalt(stage, 'recreated');
  });
});

describe('a start is `rolled_back`', () => {
  it('where the server was restored from a copy that ends before the position', async () => {
    await open(twoLeft);
    await stage.start({}, { ready: false });
    expect(await expectHalt(stage, 'rolled_back')).toContain('message 3 of EVENTS, but the stream ends at 2');
    await acceptAtRestart(stage, 'rolled_back');
    await stage.publish('bob', 'second');
    await stage.waitForFire('bob');
    // What was read again counts as known, and Bob's first is remembered though the stream has lost it.
    expect(await stage.fired()).toEqual(['ada', 'bob']);
    await stage.waitForFiresReceived(2);
  });

  it('where the restored server holds another message at the position', async () => {
    await open(twoLeft);
    await stage.publish('eve', 'first');
    await stage.publish('eve', 'second');
    await stage.start({}, { ready: false });
    expect(await expectHalt(stage, 'rolled_back')).toContain('or holds another message there');
    await acceptAtRestart(stage, 'rolled_back');
    await stage.waitForFire('eve');
    expect(await stage.fired()).toEqual(['ada', 'eve']);
  });

  it('where a logged change of a sequence lies beyond the end of the stream', async () => {
    await open();
    await stage.start(NO_CHECKPOINT);
    await stage.publish('ada', 'first');
    await stage.waitForPosition(1);
    expect(await stage.program.stop()).toBe(0);
    const copy = await keepServerCopy();
    await stage.start(NO_CHECKPOINT);
    await stage.publish('bob', 'first');
    await stage.publish('eve', 'first');
    await stage.waitForPosition(3);
    await stage.createSequence();
    await stage.program.kill();
    await restoreServer(copy);
    await stage.start({}, { ready: false });
    await expectHalt(stage, 'rolled_back');
  });
});

describe('a start is `other_stream`', () => {
  it('where EVENTS_STREAM names another one; going back to the first is a `resume`', async () => {
    await open(threeRead);
    await stage.manager.streams.add({ name: 'CLICKS', subjects: ['clicks.>'] });
    const clicks = { EVENTS_STREAM: 'CLICKS', EVENTS_SUBJECT: 'clicks.>' };
    await stage.manager.streams.delete('EVENTS_REJECTED');
    await stage.publish('bob', 'second', 'clicks.default');
    await stage.start(clicks, { ready: false });
    const reason = await expectHalt(stage, 'other_stream');
    expect(reason).toContain('comes from the stream EVENTS, but EVENTS_STREAM names CLICKS');
    expect(await stage.program.stop()).toBe(0);

    await stage.manager.streams.delete('CLICKS_REJECTED');
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    expect(await stage.program.stop()).toBe(0);

    await stage.manager.streams.delete('EVENTS_REJECTED');
    await stage.start({ ...clicks, ...ACCEPT });
    await expectGoingOn(stage, 'other_stream', 'accept');
    await stage.waitForFire('bob');
    await stage.waitForPosition(4);
    expect(await stage.fired()).toEqual(['ada', 'bob']);
  });
});

/** Keeps a copy of the server's store as it stands now; the server is down while it is made. */
async function keepServerCopy(): Promise<() => void> {
  await stage.nats.kill('SIGTERM');
  const putBack = stage.keepCopy(stage.nats.directory);
  await stage.nats.start();
  await waitFor('the client to be back', () => stage.client.flush().then(() => true));
  return putBack;
}
