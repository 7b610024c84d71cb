import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeMessage } from '../../../src/stream/decode.ts';
import { payload } from '../../support/hostile.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  lagOf,
  positionOf,
  type RunningProgram,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';

const GOOD_LEADS = 300;
const HOSTILE_MESSAGES = 3_000;
const SEED = 20_260_101;
const REASONS = [
  'not_json',
  'missing_field',
  'invalid_field',
  'too_large',
  'invalid_subject',
  'too_late',
  'in_future',
];
const OUTCOMES = ['held', 'unlisted', 'duplicate', 'replayed'];

/** Headers as no client library would send them: none that the server knows, lies, and codes of its own protocol. */
const HEADERS = [
  'NATS/1.0\r\n\r\n',
  'NATS/1.0\r\nBad Key: x\r\n\r\n',
  'NATS/1.0\r\nno colon\r\n\r\n',
  'NATS/1.0\r\n: no name\r\n\r\n',
  'NATS/1.0 100 Idle Heartbeat\r\n\r\n',
  'NATS/1.0 404 No Messages\r\nNats-Pending-Messages: 1000000\r\n\r\n',
  'NATS/1.0 409 Consumer Deleted\r\n\r\n',
  'NATS/1.0 503\r\n\r\n',
  'NATS/1.0 99999999999\r\n\r\n',
  'NATS/1.0\r\nNats-Sequence: 1\r\nNats-Stream: OTHER\r\nNats-Time-Stamp: 1970-01-01T00:00:00Z\r\n\r\n',
  'NATS/1.0\r\nRejected-Reason: none\r\nRejected-Stream-Sequence: -1\r\n\r\n',
  `NATS/1.0\r\nX: ${'x'.repeat(3_000)}\r\n\r\n`,
  'NATS/2.0\r\nX: y\r\n\r\n',
  '\r\n\r\n',
  '\0\0\0\0',
];

/** A connection to the server that writes the protocol itself, since payloads and headers are not what a client sends. */
async function openPublisher(port: number) {
  const socket: Socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  let answers = '';
  socket.on('data', (chunk) => {
    answers += chunk.toString('latin1');
  });
  socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n');
  return {
    publish: (subject: string, data: Uint8Array, header?: string): void => {
      const size = data.length;
      const command =
        header === undefined
          ? `PUB ${subject} ${size}\r\n`
          : `HPUB ${subject} ${header.length} ${header.length + size}\r\n${header}`;
      socket.write(Buffer.concat([Buffer.from(command, 'latin1'), data, Buffer.from('\r\n')]));
    },
    /** Resolves when the server has read all of it. */
    close: async (): Promise<void> => {
      socket.write('PING\r\n');
      await waitFor('the server to have read it', () => answers.endsWith('PONG\r\n'));
      socket.destroy();
      expect(answers).not.toContain('-ERR');
    },
  };
}

describe('a program that is sent thousands of messages made to break it', () => {
  const dataDir = temporaryDataDir();
  let nats: TestServer;
  let program: RunningProgram;

  beforeAll(async () => {
    nats = await startNats();
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
  });

  afterAll(async () => {
    await program?.stop();
    await nats?.stop();
    dataDir.remove();
  });

  it('fires for every good one among them, accounts for every other, and reaches the end of the stream', async () => {
    const { id } = await program.call<{ id: string }>('POST', '/sequences', {
      name: 'good',
      event_types: ['good-1', 'good-2'],
      window_seconds: 3_600,
      ordered: true,
    });
    const hostile = fc.sample(payload, { seed: SEED, numRuns: HOSTILE_MESSAGES });
    hostile.push(
      Buffer.alloc(1_048_577, 0x20),
      Buffer.from(`{"lead_id":${'['.repeat(100_000)}${']'.repeat(100_000)},"event_type":"a"}`),
      Buffer.from(`{"lead_id":"${'\\u0000'.repeat(170_000)}","event_type":"a"}`),
    );
    const good = Array.from({ length: GOOD_LEADS * 2 }, (_, index) =>
      Buffer.from(
        `{"id":"${index}","lead_id":"good-${index >> 1}","event_type":"good-${(index % 2) + 1}","__proto__":{"id":1}}`,
      ),
    );
    const publisher = await openPublisher(nats.port);
    const every = Math.floor(hostile.length / good.length);
    for (const [index, data] of hostile.entries()) {
      publisher.publish(
        'events.default.x',
        data,
        index % 7 === 0 ? HEADERS[(index / 7) % HEADERS.length] : undefined,
      );
      const between = index % every === 0 ? good[index / every] : undefined;
      if (between !== undefined)
        publisher.publish('events.default', between, HEADERS[index % HEADERS.length]);
    }
    await publisher.close();

    const total = hostile.length + good.length;
    await waitFor('the end of the stream', async () => (await positionOf(program)) === total);
    expect(await lagOf(program)).toBe(0);

    const fires = await allFires(program, id);
    expect(new Set(fires.map((fire) => fire.lead_id)).size).toBe(GOOD_LEADS);
    expect(fires.length).toBe(GOOD_LEADS);

    const metrics = await (await fetch(`${program.url}/metrics`)).text();
    const count = (name: string, label: string, value: string): number =>
      Number(new RegExp(`^sequence_triggers_${name}{${label}="${value}"} (\\d+)$`, 'm').exec(metrics)?.[1]);
    const rejected = new Map(
      REASONS.map((reason) => [reason, count('events_rejected_total', 'reason', reason)]),
    );
    for (const reason of ['not_json', 'missing_field', 'invalid_field', 'too_large']) {
      const expected = hostile.filter((data) => reasonOf(data) === reason).length;
      expect([reason, rejected.get(reason)]).toEqual([reason, expected]);
      expect(expected).toBeGreaterThan(0);
    }
    const used = OUTCOMES.map((outcome) => count('events_total', 'outcome', outcome));
    expect([...rejected.values(), ...used].reduce((sum, each) => sum + each, 0)).toBe(total);

    const listed = await allRejected();
    expect(listed.length).toBe([...rejected.values()].reduce((sum, each) => sum + each, 0));
    expect(listed.filter(({ reason }) => !REASONS.includes(reason))).toEqual([]);
    expect(new Set(listed.map((each) => each.stream_sequence)).size).toBe(listed.length);

    expect(program.process.exitCode).toBeNull();
    expect((await fetch(`${program.url}/readyz`)).status).toBe(200);
    expect(program.log().match(/"level":"(?:warn|error|fatal)".*/g)).toBeNull();
  });

  async function allRejected(): Promise<{ reason: string; stream_sequence: number }[]> {
    const listed: { reason: string; stream_sequence: number }[] = [];
    for (let page = 1; ; page++) {
      const path = `/rejected-events?limit=100&page=${page}`;
      const { events } = await program.call<{ events: typeof listed }>('GET', path);
      if (events.length === 0) return listed;
      listed.push(...events);
    }
  }

  it('is the same after a restart: what it kept of them can be read', async () => {
    const position = await positionOf(program);
    expect(await program.stop()).toBe(0);
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
    expect(await positionOf(program)).toBe(position);
    expect((await allFires(program)).length).toBe(GOOD_LEADS);
  });
});

/** Why the decoder refuses it; undefined where it does not. `property/hostileEvents` examines the decoder. */
function reasonOf(data: Uint8Array): string | undefined {
  const place = { subject: 'events.default.x', messageId: undefined, streamSequence: 1, arrivalMicros: 1 };
  const decoded = decodeMessage({ ...place, data, streamName: 'EVENTS' });
  return 'rejection' in decoded ? decoded.rejection.reason : undefined;
}
