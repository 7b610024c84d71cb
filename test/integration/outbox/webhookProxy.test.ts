import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lookup } from '../../../src/outbox/addressGuard.ts';
import type { WebhookSenderOptions } from '../../../src/outbox/webhookSender.ts';
import { anAuthority } from '../../support/certificates.ts';
import { type ForwardProxySetup, startForwardProxy } from '../../support/forwardProxy.ts';
import { aWebhookSender, sendTo } from '../../support/outbox.ts';
import { OK, startRawReceiver } from '../../support/rawReceiver.ts';
import { startReceiver } from '../../support/receivers.ts';

const PASSWORD = 'pr0xy p@ss';
const AUTHORIZATION = `Basic ${Buffer.from(`us er:${PASSWORD}`).toString('base64')}`;
const authority = anAuthority();
const running: { close(): Promise<unknown> }[] = [];

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close();
});

function keep<T extends { close(): Promise<unknown> }>(each: T): T {
  running.push(each);
  return each;
}

/** Names are for the proxy to resolve. */
const noLookup: Lookup = (hostname) => {
  throw new Error(`looked up ${hostname}`);
};

/** A proxy, and a sender that goes through it and may reach no private address by itself. */
async function aProxiedSender(setup: ForwardProxySetup = {}, change: Partial<WebhookSenderOptions> = {}) {
  const proxy = keep(await startForwardProxy(setup));
  const proxyUrl = proxy.url.replace(
    '://',
    `://${encodeURIComponent('us er')}:${encodeURIComponent(PASSWORD)}@`,
  );
  const sender = keep(
    aWebhookSender({ proxyUrl, allowedCidrs: [], lookup: noLookup, caPem: authority.cert, ...change }),
  );
  return { proxy, sender };
}

async function aTlsReceiver(hosts: readonly string[]) {
  const behave = (socket: { write(text: string): unknown }) => void socket.write(OK);
  return keep(await startRawReceiver({ behave, identity: () => authority.issue(hosts) }, authority));
}

describe.each([
  ['http', undefined],
  ['https', authority.issue(['127.0.0.1'])],
] as const)('webhooks through an %s proxy', (_scheme, identity) => {
  const setup: ForwardProxySetup = {
    authorization: AUTHORIZATION,
    ...(identity === undefined ? {} : { identity }),
  };

  it('go there by their absolute URL when they are plain, with the credentials for the proxy alone', async () => {
    const receiver = keep(await startReceiver());
    const { proxy, sender } = await aProxiedSender(setup);
    const url = `http://hook.example:${receiver.port}/hook?a=b`;
    expect(await sendTo(sender, `${url}#part`)).toMatchObject({ outcome: 'delivered', status: 200 });
    expect(proxy.requests).toEqual([{ line: `POST ${url}`, authorization: AUTHORIZATION }]);
    expect(receiver.requests).toMatchObject([
      { path: '/hook?a=b', headers: { host: `hook.example:${receiver.port}`, 'webhook-id': 'fire-1' } },
    ]);
    expect(receiver.requests[0]?.headers).not.toHaveProperty('proxy-authorization');
    await setImmediate();
    const other = await sendTo(sender, `http://other.example:${receiver.port}/`);
    expect(other).toMatchObject({ outcome: 'delivered' });
    expect(proxy.connections).toBe(1);
    // Its host is an address, and TLS has no name for that.
    expect(proxy.servernames).toEqual(identity === undefined ? [] : [false]);
  });

  it('go through a tunnel when they are https, and the certificate is that of the receiver', async () => {
    const receiver = await aTlsReceiver(['hook.example']);
    const { proxy, sender } = await aProxiedSender(setup);
    const result = await sendTo(sender, `https://hook.example:${receiver.port}/hook`);
    expect(result).toMatchObject({ outcome: 'delivered', status: 200, response: 'ok' });
    expect(proxy.requests).toEqual([
      { line: `CONNECT hook.example:${receiver.port}`, authorization: AUTHORIZATION },
    ]);
    expect(await sendTo(sender, `https://other.example:${receiver.port}/hook`)).toMatchObject({
      error: 'tls',
    });
    expect(receiver.requests).toBe(1);
  });
});

describe('webhooks through a proxy', () => {
  it.each([
    'http://10.0.0.1/',
    'https://[::1]/',
    'http://169.254.169.254/',
    'http://localhost/',
    'https://a.localhost./',
  ])('are refused by us when they go to %s', async (url) => {
    const { proxy, sender } = await aProxiedSender();
    expect(await sendTo(sender, url)).toMatchObject({ outcome: 'failed', error: 'address_refused' });
    expect(proxy.requests).toEqual([]);
  });

  it.each(['http', 'https'])('fail without its password when the proxy refuses it: %s', async (scheme) => {
    const { sender } = await aProxiedSender({ authorization: 'Basic other' });
    const result = await sendTo(sender, `${scheme}://hook.example:1/`);
    expect(result).toMatchObject({ outcome: 'failed', status: null, error: 'proxy', permanent: false });
    expect(JSON.stringify(result)).not.toContain(PASSWORD);
    expect(JSON.stringify(result)).not.toContain(AUTHORIZATION);
  });

  it('take a 407 of a receiver behind a tunnel for its answer', async () => {
    const behave = (socket: { write(text: string): unknown }) =>
      void socket.write('HTTP/1.1 407 Odd\r\ncontent-length: 0\r\n\r\n');
    const receiver = keep(
      await startRawReceiver({ behave, identity: () => authority.issue(['hook.example']) }, authority),
    );
    const { sender } = await aProxiedSender();
    expect(await sendTo(sender, `https://hook.example:${receiver.port}/`)).toMatchObject({ status: 407 });
  });

  it('cannot be set up with credentials that cannot be decoded, which are not repeated', () => {
    const make = () => aWebhookSender({ proxyUrl: 'http://user:s3cr%t@127.0.0.1:1' });
    expect(make).toThrow('WEBHOOK_PROXY_URL has a %');
    expect(make).not.toThrow('s3cr');
  });

  it('name the status when the proxy does not connect', async () => {
    const { sender } = await aProxiedSender({ connectStatus: 502 });
    expect(await sendTo(sender, 'https://hook.example/')).toMatchObject({
      error: 'proxy',
      detail: 'proxy: the proxy answered 502 to CONNECT',
    });
  });

  it.each(['http', 'https'])('fail as such when the proxy cannot be reached: %s', async (scheme) => {
    const { proxy, sender } = await aProxiedSender();
    await proxy.close();
    expect(await sendTo(sender, `${scheme}://hook.example/`)).toMatchObject({
      error: 'proxy',
      detail: 'proxy: the proxy cannot be reached (ECONNREFUSED)',
    });
  });

  it('fail when the proxy speaks TLS with a certificate that is not trusted', async () => {
    const { proxy, sender } = await aProxiedSender(
      { identity: authority.issue(['127.0.0.1']) },
      { caPem: null },
    );
    for (const scheme of ['http', 'https'])
      expect(await sendTo(sender, `${scheme}://hook.example/`)).toMatchObject({ error: 'proxy' });
    expect(proxy.requests).toEqual([]);
  });

  it.each(['http', 'https'])('end at the deadline when the proxy gives no answer: %s', async (scheme) => {
    const silent = keep(await startRawReceiver({ behave: () => {} }, authority));
    const sender = keep(aWebhookSender({ proxyUrl: `http://127.0.0.1:${silent.port}`, timeoutMs: 300 }));
    expect(await sendTo(sender, `${scheme}://hook.example/`)).toMatchObject({ error: 'timeout' });
  });
});
