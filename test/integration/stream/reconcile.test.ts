import type { JetStreamManager, NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamMark } from '../../../src/model/checkpoint.ts';
import {
  inspectStream,
  type MismatchPolicy,
  type Reconciliation,
  reconcile,
  type StreamFound,
} from '../../../src/stream/reconcile.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';

let server: TestServer;
let nats: NatsConnection;
let manager: JetStreamManager;

beforeEach(async () => {
  server = await startNats();
  nats = await server.connect();
  manager = await nats.jetstreamManager();
  await manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
});

afterEach(() => server.stop());

async function publish(count: number, text = 'message'): Promise<void> {
  for (let index = 0; index < count; index += 1)
    await nats.jetstream().publish('events.a', `${text} ${index}`);
}

async function inspect(name: string, sequence: number | null): Promise<StreamFound> {
  const found = await inspectStream(manager, name, sequence);
  if (found === undefined) throw new Error(`no stream ${name}`);
  return found;
}

/** The mark of this message of the stream. */
async function markAt(sequence: number, name = 'EVENTS'): Promise<StreamMark> {
  const { created, messageAtPosition } = await inspect(name, sequence);
  return {
    name,
    created,
    sequence,
    messageArrivalMicros: messageAtPosition?.arrivalMicros ?? null,
    messageDigest: messageAtPosition?.digest ?? null,
  };
}

async function verdict(
  mark: StreamMark | null,
  policy: MismatchPolicy = 'accept',
  name = 'EVENTS',
): Promise<Reconciliation> {
  return reconcile(mark, await inspect(name, mark?.sequence ?? null), policy);
}

describe('the start on a real stream', () => {
  it('is fresh without a checkpoint', async () => {
    expect(await verdict(null, 'halt')).toMatchObject({ verdict: { outcome: 'fresh' }, startSequence: 1 });
    await publish(3);
    expect(await verdict(null, 'halt')).toMatchObject({ verdict: { outcome: 'fresh' }, startSequence: 1 });
  });

  it('resumes behind the checkpoint, also after a restart of the server', async () => {
    await publish(5);
    const mark = await markAt(3);
    expect(mark.messageDigest).toMatch(/^[0-9a-f]{64}$/);
    expect(await verdict(mark, 'halt')).toMatchObject({
      verdict: { outcome: 'resume' },
      startSequence: 4,
    });
    await server.kill();
    await server.start();
    await waitFor('the client to be back', () => nats.flush().then(() => true));
    expect(await verdict(mark, 'halt')).toMatchObject({
      verdict: { outcome: 'resume' },
      startSequence: 4,
    });
  });

  it('resumes where the message at the checkpoint was deleted singly', async () => {
    await publish(5);
    const mark = await markAt(3);
    await manager.streams.deleteMessage('EVENTS', 3);
    expect(await verdict(mark, 'halt')).toMatchObject({
      verdict: { outcome: 'resume' },
      startSequence: 4,
    });
  });

  it('finds a retention gap where messages after the checkpoint are gone', async () => {
    await publish(10);
    const mark = await markAt(3);
    await manager.streams.purge('EVENTS', { seq: 8 });
    expect(await verdict(mark)).toMatchObject({
      proceed: true,
      verdict: { outcome: 'retention_gap', fromSequence: 4, toSequence: 7 },
      startSequence: 8,
    });
    expect(await verdict(mark, 'halt')).toMatchObject({ proceed: false });
  });

  it('finds a retention gap also where nothing at all is left', async () => {
    await publish(10);
    const mark = await markAt(3);
    await manager.streams.purge('EVENTS');
    expect(await verdict(mark)).toMatchObject({
      verdict: { outcome: 'retention_gap' },
      startSequence: 11,
    });
  });

  it('finds a stream of the same name recreated', async () => {
    await publish(5);
    const mark = await markAt(5);
    await manager.streams.delete('EVENTS');
    await manager.streams.add({ name: 'EVENTS', subjects: ['events.>'] });
    await publish(7);
    expect(await verdict(mark)).toMatchObject({ verdict: { outcome: 'recreated' }, startSequence: 1 });
    expect(await verdict(mark, 'halt')).toMatchObject({
      proceed: false,
      message: expect.stringContaining('ON_STREAM_MISMATCH=accept'),
    });
  });

  it('finds a stream rolled back that ends before the checkpoint', async () => {
    await publish(5);
    const ahead = await markAt(5);
    const mark = { ...ahead, sequence: 9 };
    expect(await verdict(mark)).toMatchObject({
      verdict: { outcome: 'rolled_back', position: 9, lastSequence: 5 },
      startSequence: 1,
    });
  });

  it('finds a stream rolled back that holds another message at the checkpoint', async () => {
    await publish(5, 'before the power cut');
    const mark = await markAt(5);
    const lost = { ...mark, messageDigest: '0'.repeat(64) };
    expect(await verdict(lost, 'halt')).toMatchObject({
      proceed: false,
      verdict: { outcome: 'rolled_back' },
    });
  });

  it('finds another stream where the setting was changed', async () => {
    await publish(5);
    const mark = await markAt(5);
    await manager.streams.add({ name: 'CLICKS', subjects: ['clicks.>'] });
    expect(await verdict(mark, 'accept', 'CLICKS')).toMatchObject({
      verdict: { outcome: 'other_stream', nameBefore: 'EVENTS', nameNow: 'CLICKS' },
      startSequence: 1,
    });
  });
});
