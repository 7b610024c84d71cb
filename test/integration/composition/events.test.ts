import { setTimeout as sleep } from 'node:timers/promises';
import { RetentionPolicy } from 'nats';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Core } from '../../../src/composition/core.ts';
import { type Config, loadConfig } from '../../../src/config/load.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { compiled } from '../../support/compiled.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { temporaryDataDir } from '../../support/program.ts';

const { loadCore } = await compiled<typeof import('../../../src/composition/core.ts')>('composition/core');
const { openStream } =
  await compiled<typeof import('../../../src/composition/events.ts')>('composition/events');
const { createSenders } =
  await compiled<typeof import('../../../src/composition/senders.ts')>('composition/senders');

let nats: TestServer;
let dataDir: ReturnType<typeof temporaryDataDir>;
let config: Config;
let core: Core;

beforeEach(async () => {
  nats = await startNats();
  dataDir = temporaryDataDir();
  config = loadConfig({ env: { DATA_DIR: dataDir.path, NATS_URL: nats.url } });
  core = loadCore(config, createLog({ level: 'fatal', format: 'json' }), createSenders(config));
});

afterEach(async () => {
  core.abort.abort();
  await core.room?.close();
  await core.consuming;
  await core.engine.drain();
  await core.environment.close();
  await nats.stop();
  dataDir.remove();
});

describe('the obstacle that stands before the stream', () => {
  it('is no longer NATS once that is connected, however long it takes to take the place in the stream', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const take = core.engine.start.bind(core.engine);
    const start = vi.spyOn(core.engine, 'start').mockImplementation(async (place) => {
      await released;
      await take(place);
    });
    await nats.kill();
    const opening = openStream(config, core);
    await waitFor('the refusal', () => core.obstacle?.includes('CONNECTION_REFUSED'));
    await nats.start();
    await waitFor('the place to be taken', () => start.mock.calls.length > 0);
    expect(core.obstacle).toBe('taking its place in the stream');
    release();
    await opening;
    expect(core.obstacle).toBeNull();
  });
});

describe('an events stream that cannot be read', () => {
  it('is what stands in the way, is logged once however often it is tried, and is read once it can be', async () => {
    const manager = await (await nats.connect()).jetstreamManager();
    await manager.streams.add({
      name: 'EVENTS',
      subjects: ['events.>'],
      retention: RetentionPolicy.Workqueue,
    });
    const logged = vi.spyOn(core.log, 'error');
    const failed = vi.spyOn(core, 'fail');
    const opening = openStream(config, core);
    await waitFor('a second attempt', () => failed.mock.calls.length > 1);
    expect(core.obstacle).toContain('EVENTS_STREAM EVENTS has retention workqueue');
    expect(logged).toHaveBeenCalledTimes(1);
    await manager.streams.delete('EVENTS');
    await opening;
    expect(core.obstacle).toBeNull();
  });
});

describe('the end of a replay', () => {
  it('is no longer looked for when the feed has ended at a stream that it may not read', async () => {
    const isReplaying = vi.spyOn(core.catalog, 'isReplaying', 'get').mockReturnValue(true);
    await openStream(config, core);
    await waitFor('looks', () => isReplaying.mock.calls.length > 2);
    const client = await nats.connect();
    await client.jetstream().publish('events.default', '{"lead_id":"l","event_type":"a"}');
    await waitFor('the message', () => core.engine.committedPosition === 1);
    const manager = await client.jetstreamManager();
    const stream = await manager.streams.info('EVENTS');
    await manager.streams.delete('EVENTS');
    await manager.streams.add(stream.config);
    await waitFor('the halt', () => core.streamPlace?.halted);
    await core.consuming;
    const looks = isReplaying.mock.calls.length;
    await sleep(500);
    expect(isReplaying.mock.calls.length).toBe(looks);
  });
});
