import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { WebhookSender } from '../../../src/outbox/webhookSender.ts';
import { anAuthority } from '../../support/certificates.ts';
import { aWebhookSender, sendTo, until } from '../../support/outbox.ts';
import { OK, startRawReceiver } from '../../support/rawReceiver.ts';
import { hang, startReceiver } from '../../support/receivers.ts';

const running: { close(): unknown }[] = [];

afterEach(async () => {
  for (const each of running.splice(0)) await each.close();
});

function keep<T extends { close(): unknown }>(each: T): T {
  running.push(each);
  return each;
}

/** A server that counts its connections, with those that are open. */
async function aCountingServer(): Promise<{ url: string; port: number; open(): number; ever(): number }> {
  let open = 0;
  let ever = 0;
  const server: Server = createServer((request, response) => {
    request.resume().on('end', () => response.end('ok'));
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    open += 1;
    ever += 1;
    socket.on('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  keep({ close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) });
  return { url: `http://127.0.0.1:${port}/hook`, port, open: () => open, ever: () => ever };
}

describe('the connections of webhooks', () => {
  it('are bounded for each origin, and attempts beyond wait for their turn', async () => {
    const server = await aCountingServer();
    const sender = keep(aWebhookSender({ connectionsMax: 3 }));
    const results = await Promise.all(Array.from({ length: 40 }, () => sendTo(sender, server.url)));
    expect(results.every(({ outcome }) => outcome === 'delivered')).toBe(true);
    expect(server.ever()).toBe(3);
  });

  it('are closed when idle for some seconds, though the receiver offers a minute', async () => {
    const server = await aCountingServer();
    const sender = keep(aWebhookSender());
    expect(await sendTo(sender, server.url)).toMatchObject({ outcome: 'delivered' });
    expect(server.open()).toBe(1);
    await until(() => server.open() === 0);
  });

  it('are kept for a bounded number of origins, also when there are ever more', async () => {
    const server = await aCountingServer();
    const lookup: NonNullable<Parameters<typeof aWebhookSender>[0]>['lookup'] = (_name, _options, callback) =>
      process.nextTick(callback, null, [{ address: '127.0.0.1', family: 4 }]);
    const sender = keep(aWebhookSender({ lookup }));
    for (let host = 0; host < 1_200; host += 50) {
      const urls = Array.from(
        { length: 50 },
        (_, index) => `http://h${host + index}.example:${server.port}/`,
      );
      const results = await Promise.all(urls.map((url) => sendTo(sender, url)));
      expect(results.filter(({ outcome }) => outcome !== 'delivered')).toEqual([]);
      expect(sender.originCount).toBeLessThanOrEqual(512);
    }
    expect(server.ever()).toBe(1_200);
    await until(() => server.open() <= 512);
    await until(() => server.open() === 0);
  });

  it('finish what is under way to an origin that makes room', async () => {
    let answerFirst = () => {};
    const receiver = keep(
      await startReceiver((_request, response) => {
        answerFirst = () => response.end('at last');
      }),
    );
    const sender = keep(aWebhookSender({ connectionsMax: 1 }));
    const slow = [sendTo(sender, receiver.url), sendTo(sender, receiver.url)];
    await until(() => receiver.requests.length === 1);
    receiver.answer = (_request, response) => response.end('at last');
    await Promise.all(
      // Ports that nobody listens at: the attempts fail, the origins count.
      Array.from({ length: 600 }, (_, index) => sendTo(sender, `http://127.0.0.1:${index + 1}/`)),
    );
    expect(receiver.requests).toHaveLength(1);
    answerFirst();
    expect((await Promise.all(slow)).map(({ outcome }) => outcome)).toEqual(['delivered', 'delivered']);
  });

  it('are not used for an attempt whose time was up while it waited for one', async () => {
    const receiver = keep(await startReceiver(hang));
    const sender = keep(aWebhookSender({ connectionsMax: 1, timeoutMs: 300 }));
    const results = await Promise.all([sendTo(sender, receiver.url), sendTo(sender, receiver.url)]);
    expect(results).toMatchObject([{ error: 'timeout' }, { error: 'timeout' }]);
    receiver.answer = (_request, response) => response.end('ok');
    expect(await sendTo(sender, receiver.url)).toMatchObject({ outcome: 'delivered' });
    // The second attempt was over before it reached the receiver.
    expect(receiver.requests).toHaveLength(2);
  });

  it('end with the process, and the attempts on them as aborted', async () => {
    const receiver = keep(await startReceiver(hang));
    const sender = aWebhookSender();
    const abort = new AbortController();
    const attempt = sendTo(sender, receiver.url, {}, abort.signal);
    await until(() => receiver.requests.length === 1);
    abort.abort();
    expect(await attempt).toMatchObject({ outcome: 'failed', error: 'aborted' });
    const late = sendTo(sender, receiver.url);
    await until(() => receiver.requests.length === 2);
    await sender.close();
    expect(await late).toMatchObject({ outcome: 'failed', error: 'aborted' });
  });

  it('trust the certificates of WEBHOOK_CA_FILE beside the built-in ones, and no others', async () => {
    const [trusted, other] = [anAuthority(), anAuthority()];
    const receiver = keep(
      await startRawReceiver(
        { behave: (socket) => void socket.write(OK), identity: () => trusted.issue(['127.0.0.1']) },
        trusted,
      ),
    );
    const outcomeWith = async (caPem: string | null) => {
      const sender: WebhookSender = keep(aWebhookSender({ caPem }));
      const result = await sendTo(sender, receiver.url);
      return result.outcome === 'delivered' ? 'delivered' : result.error;
    };
    expect(await outcomeWith(null)).toBe('tls');
    expect(await outcomeWith(other.cert)).toBe('tls');
    expect(await outcomeWith(`comment\n${other.cert}\n${trusted.cert}`)).toBe('delivered');
  });

  it('cannot be made with certificates that cannot be read', () => {
    expect(() => aWebhookSender({ caPem: 'nothing' })).toThrow(
      'WEBHOOK_CA_FILE holds no certificate in PEM form',
    );
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    expect(() => aWebhookSender({ caPem: anAuthority().cert + broken })).toThrow(
      'certificate 2 in WEBHOOK_CA_FILE cannot be read',
    );
  });
});
