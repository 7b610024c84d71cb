import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Outbox } from '../../../src/outbox/outbox.ts';
import {
  aDataDir,
  aFire,
  anOutbox,
  aSequence,
  fireAll,
  type LogLine,
  type OutboxSetup,
  openStores,
  SECRET,
  type Stores,
  until,
} from '../../support/outbox.ts';
import { type Answer, answerWith, hang, type Receiver, startReceiver } from '../../support/receivers.ts';

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

/** Starts an outbox and hands it one fire of a sequence with this webhook; returns the id of the delivery. */
async function deliver(url: string, setup: Omit<OutboxSetup, 'sequences'> = {}): Promise<string> {
  const sequence = aSequence({ webhookUrl: url });
  outbox = anOutbox(stores, { ...setup, sequences: [sequence] });
  await outbox.start();
  const [delivery] = await fireAll(stores, outbox, sequence, [aFire()]);
  if (delivery === undefined) throw new Error('nothing was planned');
  return delivery.id;
}

function recordOf(id: string) {
  const found = stores.deliveries.delivery('acme', id);
  if (found === undefined) throw new Error(`no delivery ${id}`);
  return found;
}

/** Answers in turn, and with the last one from then on. */
function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (request, response) => {
    const answer = answers[Math.min(next, answers.length - 1)];
    next += 1;
    answer?.(request, response);
  };
}

describe('a webhook', () => {
  it('has exactly the documented body and headers, and a signature that verifies', async () => {
    const id = await deliver(`${receiver.url}/hook?token=s3cret`);
    await until(() => recordOf(id).delivery.state === 'delivered');
    expect(receiver.requests).toHaveLength(1);
    const [request] = receiver.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/hook?token=s3cret' });
    expect(request?.body).toBe(
      '{"trigger":{"id":"seq-1","name":"Trial to paid","type":"sequence"},"lead_id":"lead-1",' +
        '"sequence":["signup","purchase"],"events":[' +
        '{"id":"e1","event_type":"signup","created_at":"2024-05-01T10:00:00Z"},' +
        '{"id":"e2","event_type":"purchase","created_at":"2024-05-01T10:01:00.25Z"}]}',
    );
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'sequence-triggers/9.9.9',
      'webhook-id': 'fire-1',
      'content-length': String(Buffer.byteLength(request?.body ?? '')),
    });
    const headers = request?.headers as Record<string, string>;
    const stranger = new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`);
    expect(new Webhook(SECRET).verify(request?.body ?? '', headers)).toMatchObject({ lead_id: 'lead-1' });
    expect(() => stranger.verify(request?.body ?? '', headers)).toThrow();
  });

  it('is retried with the same id until the receiver takes it, and each attempt is kept', async () => {
    receiver.answer = inTurn(
      answerWith(500, 'try later'),
      (_request, response) => response.destroy(),
      answerWith(201, 'thanks'),
    );
    const id = await deliver(`${receiver.url}/hook`);
    await until(() => recordOf(id).delivery.state === 'delivered');
    expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([
      'fire-1',
      'fire-1',
      'fire-1',
    ]);
    expect(new Set(receiver.requests.map(({ body }) => body)).size).toBe(1);
    const { delivery, attempts } = recordOf(id);
    expect(delivery).toMatchObject({ attemptsMade: 3, dueAtMs: null, reason: null });
    expect(attempts).toMatchObject([
      { number: 1, outcome: 'failed', status: 500, error: null, response: 'try later' },
      { number: 2, outcome: 'failed', status: null, error: 'connection_reset', response: null },
      { number: 3, outcome: 'delivered', status: 201, error: null, response: 'thanks' },
    ]);
  });

  it('is given up when the attempts are used up, with what came last as the reason', async () => {
    receiver.answer = answerWith(503, 'down');
    const id = await deliver(`${receiver.url}/hook`, { overrides: { retryDelaysMs: [0, 1, 1] } });
    await until(() => recordOf(id).delivery.state === 'dead');
    expect(recordOf(id).delivery.reason).toBe('attempts exhausted: answered 503');
    expect(receiver.requests).toHaveLength(3);
    expect(stores.deliveries.lanes()).toEqual([]);
  });

  it('does not follow a redirect', async () => {
    receiver.answer = (request, response) => {
      if (request.path === '/elsewhere') response.end('caught');
      else response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end();
    };
    const id = await deliver(`${receiver.url}/hook`, { overrides: { retryDelaysMs: [0, 1] } });
    await until(() => recordOf(id).delivery.state === 'dead');
    expect(receiver.requests.map(({ path }) => path)).toEqual(['/hook', '/hook']);
    expect(recordOf(id).delivery.reason).toContain('answered 307 (redirects are not followed)');
  });

  it('waits for as long as a busy receiver asks', async () => {
    receiver.answer = answerWith(429, 'slow down', { 'retry-after': '3600' });
    const id = await deliver(`${receiver.url}/hook`);
    await until(() => recordOf(id).delivery.state === 'retrying');
    const { dueAtMs, updatedAtMs } = recordOf(id).delivery;
    expect(Number(dueAtMs) - updatedAtMs).toBeGreaterThan(3_590_000);
    expect(Number(dueAtMs) - updatedAtMs).toBeLessThanOrEqual(3_600_000);
  });

  it.each<[string, Answer]>([
    ['headers', hang],
    ['the rest of the body', (_request, response) => void response.writeHead(200).write('wait for it')],
  ])('fails when the receiver never sends %s', async (_what, answer) => {
    receiver.answer = answer;
    const id = await deliver(`${receiver.url}/hook`, { timeoutMs: 200, overrides: { retryDelaysMs: [0] } });
    await until(() => recordOf(id).delivery.state === 'dead');
    expect(recordOf(id).attempts).toMatchObject([{ outcome: 'failed', status: null, error: 'timeout' }]);
    expect(recordOf(id).delivery.reason).toBe(
      'attempts exhausted: timeout: no complete answer within 200 ms',
    );
  });

  it('reads only the start of an answer without end, and keeps whole characters of it', async () => {
    receiver.answer = (_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write('€'.repeat(1000))) {}
      };
      response.on('drain', write);
      write();
    };
    const id = await deliver(`${receiver.url}/hook`);
    await until(() => recordOf(id).delivery.state === 'delivered');
    expect(recordOf(id).attempts[0]?.response).toBe('€'.repeat(341));
  });

  it('names a refused connection', async () => {
    await receiver.close();
    const id = await deliver(`${receiver.url}/hook`, { overrides: { retryDelaysMs: [0] } });
    await until(() => recordOf(id).delivery.state === 'dead');
    expect(recordOf(id).attempts).toMatchObject([{ status: null, error: 'connection_refused' }]);
  });

  it.each(['localhost', '127.0.0.1', '[::ffff:127.0.0.1]', '2130706433'])(
    'does not reach %s unless the range is allowed',
    async (host) => {
      const url = `http://${host}:${receiver.port}/hook`;
      const id = await deliver(url, { allowLoopback: false, overrides: { retryDelaysMs: [0] } });
      await until(() => recordOf(id).delivery.state === 'dead');
      expect(recordOf(id).attempts).toMatchObject([
        { outcome: 'failed', status: null, error: 'address_refused' },
      ]);
      expect(receiver.requests).toEqual([]);
    },
  );

  it('reaches a name whose addresses are allowed', async () => {
    const id = await deliver(`http://localhost:${receiver.port}/hook`);
    await until(() => recordOf(id).delivery.state === 'delivered');
    expect(receiver.requests[0]?.headers.host).toBe(`localhost:${receiver.port}`);
  });

  it('is logged in one line per attempt, without the query, the secret or the path', async () => {
    const lines: LogLine[] = [];
    receiver.answer = inTurn(answerWith(500), answerWith(200));
    const id = await deliver(`${receiver.url}/private-path?token=s3cret`, { lines });
    await until(() => lines.filter(({ message }) => message === 'delivery attempt').length === 2);
    expect(lines.slice(1)).toMatchObject([
      {
        level: 'warn',
        fields: { deliveryId: id, attempt: 1, status: 500, host: `127.0.0.1:${receiver.port}` },
      },
      { level: 'info', fields: { deliveryId: id, attempt: 2, status: 200, fireId: 'fire-1', dueAtMs: null } },
    ]);
    const text = JSON.stringify(lines);
    for (const secret of ['s3cret', 'private-path', SECRET, 'whsec_']) expect(text).not.toContain(secret);
  });
});
