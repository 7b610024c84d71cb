import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { waitFor } from '../../support/nats.ts';
import { metricOf, readinessOf } from '../../support/program.ts';
import { startProxy, type TestProxy } from '../../support/proxy.ts';
import { Stage } from '../../support/stage.ts';
import { acceptAtRestart, expectGoingOn, expectHalt } from '../../support/streamVerdict.ts';

const ACCEPT = { ON_STREAM_MISMATCH: 'accept' };

// Each starts the program several times.
vi.setConfig({ testTimeout: 90_000 });

let stage: Stage;
let proxy: TestProxy;

beforeEach(async () => {
  stage = await Stage.open();
  proxy = await startProxy(stage.nats.port);
  stage.connectVia(`nats://127.0.0.1:${proxy.port}`);
});

afterEach(async () => {
  await stage.close();
  await proxy.close();
});

/** Starts the program and has it read three events, the third of which awaits a `second`. */
async function startAndRead(env: Record<string, string> = {}): Promise<void> {
  await stage.start(env);
  await stage.publishBoth('ada');
  await stage.publish('bob', 'first');
  await stage.waitForPosition(3);
  await stage.waitForFire('ada');
}

async function recreateStream(): Promise<void> {
  const { config } = await stage.manager.streams.info('EVENTS');
  await stage.manager.streams.delete('EVENTS');
  await stage.waitForTrouble(/stream_not_found/);
  await stage.manager.streams.add(config);
}

/** Puts the server back to three messages after the program has read a fourth; `refill` follows in its place. */
async function rollStreamBack(refill: () => Promise<void> = async () => {}): Promise<void> {
  await stage.nats.kill('SIGTERM');
  const putBack = stage.keepCopy(stage.nats.directory);
  await stage.nats.start();
  await stage.waitForReadiness();
  await stage.publish('bob', 'fourth');
  await stage.waitForPosition(4);
  proxy.treatAll('refuse');
  await stage.nats.kill('SIGTERM');
  putBack();
  await stage.nats.start();
  await waitFor('the client to be back', () => stage.client.flush().then(() => true));
  await refill();
  proxy.treatAll('forward');
}

/** Messages come and go while the program cannot be reached: Bob's second, and all but the last of Eve's. */
async function loseUnread(): Promise<void> {
  proxy.treatAll('refuse');
  await stage.waitForTrouble(/disconnected from NATS/);
  await stage.publish('bob', 'second');
  await stage.publishBoth('eve');
  await stage.manager.streams.purge('EVENTS', { seq: 6 });
  proxy.treatAll('forward');
}

describe('a stream that is created anew under the running program', () => {
  it('is not read under the policy `halt`, and read from its start after a restart with `accept`', async () => {
    await startAndRead();
    await recreateStream();
    await expectHalt(stage, 'recreated');
    await stage.publish('bob', 'second');
    await stage.waitForPosition(3);
    expect(await stage.fired()).toEqual(['ada']);
    expect(await stage.program.stop()).toBe(0);
    await stage.start({}, { ready: false });
    await expectHalt(stage, 'recreated');
    await acceptAtRestart(stage, 'recreated');
    await stage.waitForFire('bob');
    expect(await stage.fired()).toEqual(['ada', 'bob']);
  });

  it('is read from its start under the policy `accept`, without a restart; leads keep what they hold, and a crash later loses nothing', async () => {
    await startAndRead(ACCEPT);
    await recreateStream();
    await expectGoingOn(stage, 'recreated', 'accept');
    await stage.publish('bob', 'second');
    await stage.publish('eve', 'first');
    await stage.waitForFire('bob');
    await stage.waitForPosition(5);
    expect(stage.program.process.exitCode).toBeNull();
    await stage.program.kill();
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
    await stage.publish('eve', 'second');
    await stage.waitForFire('eve');
    expect(await stage.fired()).toEqual(['ada', 'bob', 'eve']);
    await stage.waitForFiresReceived(3);
  });

  it('is read from its start each time that it is, under the policy `accept`', async () => {
    await startAndRead(ACCEPT);
    for (const lead of ['cyd', 'dan', 'eve']) {
      await recreateStream();
      await stage.publishBoth(lead);
      await stage.waitForFire(lead);
    }
    await stage.waitForPosition(9);
    expect(await stage.applied('held')).toBe(9);
  });
});

describe('a stream that is rolled back under the running program', () => {
  it('is not read under the policy `halt`', async () => {
    await startAndRead();
    await rollStreamBack();
    await expectHalt(stage, 'rolled_back');
  });

  it('is not read under the policy `halt` where other messages have taken the place of those that were lost', async () => {
    await startAndRead();
    await rollStreamBack(() => stage.publishBoth('eve'));
    expect(await expectHalt(stage, 'rolled_back')).toContain('or holds another message there');
    expect(await stage.fired()).toEqual(['ada']);
  });

  it('is read from its start under the policy `accept`, without a restart', async () => {
    await startAndRead(ACCEPT);
    await rollStreamBack();
    await expectGoingOn(stage, 'rolled_back', 'accept');
    await stage.publishBoth('eve');
    await stage.waitForFire('eve');
    expect(await stage.fired()).toEqual(['ada', 'eve']);
    await stage.waitForFiresReceived(2);
  });
});

describe('a stream that loses messages under the running program', () => {
  it('which were all read goes on, whatever the policy', async () => {
    await startAndRead();
    await stage.manager.streams.purge('EVENTS');
    await stage.publish('bob', 'second');
    await stage.waitForFire('bob');
    const { status, stream } = await readinessOf(stage.program);
    expect({ status, verdict: stream?.verdict }).toEqual({ status: 200, verdict: 'fresh' });
    expect(await metricOf(stage.program, 'feed_gaps_total')).toBe(0);
  });

  it('which were not read halts the program under the policy `halt`, as at a start', async () => {
    await startAndRead();
    await loseUnread();
    expect(await expectHalt(stage, 'retention_gap')).toContain('messages 4 to 5 of EVENTS');
    expect(await stage.fired()).toEqual(['ada']);
    expect(await stage.program.stop()).toBe(0);
    await stage.start({}, { ready: false });
    await expectHalt(stage, 'retention_gap');
  });

  it('which were not read goes on behind them under the policy `accept`, and counts them', async () => {
    await startAndRead(ACCEPT);
    await loseUnread();
    await expectGoingOn(stage, 'retention_gap', 'accept');
    expect(await metricOf(stage.program, 'feed_gap_messages_total')).toBe(2);
    await stage.publish('bob', 'second-but-another');
    await stage.publishBoth('dan');
    await stage.waitForFire('dan');
    expect(await stage.fired()).toEqual(['ada', 'dan']);
    await stage.program.kill();
    await stage.start();
    await expectGoingOn(stage, 'resume', 'halt');
  });
});
