import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import { ThreadedSender } from '../../../src/outbox/threadedSender.ts';
import type { PlainSenderOptions } from '../../../src/outbox/webhookSender.ts';
import { SECRET, sendTo, until } from '../../support/outbox.ts';
import { answerWith, hang, type Receiver, startReceiver } from '../../support/receivers.ts';

/** A thread runs the build, as the program does. */
const ENTRY = pathToFileURL(resolve('dist/src/outbox/webhookThread.js'));
/** A thread that ends at its first message. */
const FAULTY = new URL(
  `data:text/javascript,import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { throw new Error('no memory is left'); });`,
);

const running: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of running.splice(0).toReversed()) await each.close();
});

function keep<T extends { close(): unknown }>(each: T): T {
  running.push(each);
  return each;
}

function aSender(change: Partial<PlainSenderOptions> = {}, entry = ENTRY): ThreadedSender {
  const options = { version: '1.2.3', timeoutMs: 5_000, allowedCidrs: ['127.0.0.0/8'], ...change };
  return keep(new ThreadedSender(options, entry));
}

async function aReceiver(answer?: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  return keep(await startReceiver(answer));
}

describe('webhooks that are posted in a thread', () => {
  it('arrive signed, and their answers come back', async () => {
    const receiver = await aReceiver();
    const result = await sendTo(aSender(), `${receiver.url}/hook`);
    expect(result).toEqual({ outcome: 'delivered', status: 200, response: 'ok', pauseReason: null });
    const [request] = receiver.requests;
    expect(() => new Webhook(SECRET).verify(request!.body, request!.headers as never)).not.toThrow();
  });

  it('each get the answer that is theirs, also when many are under way', async () => {
    const receiver = await aReceiver(({ path }, response) => {
      setTimeout(() => response.end(path), Math.random() * 20);
    });
    const sender = aSender();
    const paths = Array.from({ length: 200 }, (_, index) => `/hook/${index}`);
    for (const half of [paths.slice(0, 100), paths.slice(100)]) {
      const results = await Promise.all(half.map((path) => sendTo(sender, receiver.url + path)));
      expect(results.map(({ response }) => response)).toEqual(half);
    }
  });

  it('fail as they do without one: refused addresses, no answer in time, errors', async () => {
    const receiver = await aReceiver(hang);
    const failing = await aReceiver(answerWith(503, 'later', { 'retry-after': '7' }));
    const sender = aSender({ timeoutMs: 100 });
    expect(await sendTo(sender, 'http://10.0.0.1/')).toMatchObject({ error: 'address_refused' });
    expect(await sendTo(sender, receiver.url)).toMatchObject({ error: 'timeout' });
    expect(await sendTo(sender, failing.url)).toMatchObject({ status: 503, retryAfterMs: 7_000 });
  });

  it('are over at once when they are cut off, and their connections end with the sender', async () => {
    const receiver = await aReceiver(hang);
    const sender = aSender();
    const abort = new AbortController();
    const attempt = sendTo(sender, receiver.url, {}, abort.signal);
    await until(() => receiver.requests.length === 1);
    abort.abort();
    expect(await attempt).toMatchObject({ outcome: 'failed', error: 'aborted' });
    const other = sendTo(sender, receiver.url);
    await until(() => receiver.requests.length === 2);
    await sender.close();
    expect(await other).toMatchObject({ outcome: 'failed', error: 'aborted' });
    expect(await sendTo(sender, receiver.url)).toMatchObject({ outcome: 'failed', error: 'aborted' });
  });

  it('fail when the thread ends by itself, each time anew', async () => {
    const sender = aSender({}, FAULTY);
    for (const attempts of [1, 3]) {
      const results = await Promise.all(
        Array.from({ length: attempts }, () => sendTo(sender, 'http://127.0.0.1:9/')),
      );
      for (const result of results) {
        expect(result).toMatchObject({
          outcome: 'failed',
          status: null,
          error: 'internal',
          permanent: false,
        });
        expect(result).toMatchObject({ detail: expect.stringContaining('no memory is left') });
      }
    }
  });

  it('are refused at the start where the options cannot be used', () => {
    expect(() => aSender({ caPem: 'no certificate' })).toThrow(/WEBHOOK_CA_FILE/);
    expect(() => aSender({ allowedCidrs: ['everything'] })).toThrow(/everything/);
  });
});
