import type { LookupAddress } from 'node:dns';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { type Lookup, parseCidrs } from '../../../src/outbox/addressGuard.ts';
import type { WebhookSender } from '../../../src/outbox/webhookSender.ts';
import { anAuthority } from '../../support/certificates.ts';
import { aWebhookSender, sendTo } from '../../support/outbox.ts';
import { OK, type RunningReceiver, startRawReceiver } from '../../support/rawReceiver.ts';

/** Stands for a public address here; all others of the loopback are as private as ever. */
const PUBLIC = '127.0.0.1';
const PRIVATE = '127.0.0.2';
const CLOSING = OK.replace('content-length', 'connection: close\r\ncontent-length');
const authority = anAuthority();
const running: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of running.splice(0)) await each.close();
});

/** Answers each look-up with the next of these lists of addresses, and with the last one from then on. */
function aResolver(...lists: readonly (readonly string[])[]): { lookup: Lookup; names: string[] } {
  const names: string[] = [];
  const lookup: Lookup = (hostname, _options, callback) => {
    const list = lists[Math.min(names.length, lists.length - 1)] ?? [];
    names.push(hostname);
    const addresses: LookupAddress[] = list.map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    process.nextTick(callback, null, addresses);
  };
  return { lookup, names };
}

async function receiverAt(host: string, port = 0, answer = OK): Promise<RunningReceiver> {
  const behave = { behave: (socket: { write(text: string): unknown }) => void socket.write(answer) };
  const receiver = await startRawReceiver(behave, authority, host, port);
  running.push(receiver);
  return receiver;
}

function senderWith(lookup: Lookup, allowed = [`${PUBLIC}/32`]): WebhookSender {
  const sender = aWebhookSender({ lookup, allowedCidrs: parseCidrs(allowed), timeoutMs: 5_000 });
  running.push(sender);
  return sender;
}

describe('a webhook to a host name', () => {
  it('is refused when the name resolves to a private address, and no socket is opened to it', async () => {
    const receiver = await receiverAt(PRIVATE);
    const sender = senderWith(aResolver([PRIVATE]).lookup);
    const result = await sendTo(sender, `http://hook.example:${receiver.port}/`);
    expect(result).toMatchObject({ outcome: 'failed', error: 'address_refused', permanent: false });
    expect(receiver.connections).toBe(0);
  });

  it('is refused when one of several addresses is private, whatever the order', async () => {
    const receiver = await receiverAt(PUBLIC);
    for (const list of [
      [PUBLIC, PRIVATE],
      [PRIVATE, PUBLIC],
      [PUBLIC, '::ffff:10.0.0.1'],
      [PUBLIC, 'fe80::1%lo'],
    ]) {
      const result = await sendTo(
        senderWith(aResolver(list).lookup),
        `http://hook.example:${receiver.port}/`,
      );
      expect(result).toMatchObject({ error: 'address_refused' });
    }
    expect(receiver.connections).toBe(0);
  });

  it('is refused when the name was public at one look-up and is private at the next', async () => {
    const receiver = await receiverAt(PUBLIC, 0, CLOSING);
    const target = await receiverAt(PRIVATE, receiver.port);
    const { lookup, names } = aResolver([PUBLIC], [PRIVATE]);
    const sender = senderWith(lookup);
    const url = `http://hook.example:${receiver.port}/`;
    expect(await sendTo(sender, url)).toMatchObject({ outcome: 'delivered' });
    expect(await sendTo(sender, url)).toMatchObject({ outcome: 'failed', error: 'address_refused' });
    expect(names).toEqual(['hook.example', 'hook.example']);
    expect(target.connections).toBe(0);
  });

  it('stays on the connection that was checked for as long as it is kept', async () => {
    const receiver = await receiverAt(PUBLIC);
    const target = await receiverAt(PRIVATE, receiver.port);
    const { lookup, names } = aResolver([PUBLIC], [PRIVATE]);
    const sender = senderWith(lookup);
    const url = `http://hook.example:${receiver.port}/`;
    for (let count = 0; count < 3; count++) {
      expect(await sendTo(sender, url)).toMatchObject({ outcome: 'delivered' });
      // The connection is free a moment later; in the program the attempt is recorded meanwhile.
      await setImmediate();
    }
    expect(names).toHaveLength(1);
    expect(receiver.connections).toBe(1);
    expect(target.connections).toBe(0);
  });

  it('is tried again when the name does not resolve', async () => {
    const lookup: Lookup = (hostname, _options, callback) => {
      callback(Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' }), []);
    };
    expect(await sendTo(senderWith(lookup), 'http://nowhere.example/')).toMatchObject({
      outcome: 'failed',
      error: 'dns',
      permanent: false,
      detail: 'dns: getaddrinfo ENOTFOUND nowhere.example',
    });
    expect(await sendTo(senderWith(aResolver([]).lookup), 'http://nowhere.example/')).toMatchObject({
      error: 'dns',
    });
  });

  it('ends at the deadline also when the look-up does not', async () => {
    const sender = aWebhookSender({ lookup: () => {}, timeoutMs: 200 });
    running.push(sender);
    expect(await sendTo(sender, 'http://hook.example/')).toMatchObject({ error: 'timeout' });
  });
});

describe('a webhook to a literal address', () => {
  it.each([
    '127.0.0.2',
    '2130706434',
    '0x7f.2',
    '0177.0.0.2',
    '127.2',
    '[::ffff:127.0.0.2]',
    '①②⑦.0.0.2',
    '127。0。0。2',
  ])('is refused as %s, and no socket is opened', async (host) => {
    const receiver = await receiverAt(PRIVATE);
    const { lookup, names } = aResolver([PUBLIC]);
    const sender = senderWith(lookup);
    for (let count = 0; count < 2; count++) {
      const result = await sendTo(sender, `http://${host}:${receiver.port}/`);
      expect(result).toMatchObject({ error: 'address_refused' });
    }
    expect(receiver.connections).toBe(0);
    expect(names).toEqual([]);
  });
});
