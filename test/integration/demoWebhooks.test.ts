import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { compiled } from '../support/compiled.ts';
import { startReceiver } from '../support/receivers.ts';

const { runDemo } = await compiled<typeof import('../../src/cli/demoRun.ts')>('cli/demoRun');

describe('the demo', () => {
  it('sends webhooks that a receiver of somebody else verifies with the public library', {
    timeout: 60_000,
  }, async () => {
    const receiver = await startReceiver();
    const stop = new AbortController();
    let secret = '';
    // As the reader of the terminal would: with the address and the token that the demo prints.
    const subscribe = async (apiUrl: string, token: string): Promise<void> => {
      const response = await fetch(`${apiUrl}/sequences`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          name: 'any page',
          event_types: ['page_view'],
          window_seconds: 60,
          webhook_url: `${receiver.url}/hook`,
        }),
      });
      secret = ((await response.json()) as { webhook_secret: string }).webhook_secret;
    };
    const subscribed: Promise<void>[] = [];
    const print = (line: string): void => {
      const address = /^HTTP API: (\S+) {2}token of OU default: (\S+)$/.exec(line);
      if (address !== null) subscribed.push(subscribe(address[1] ?? '', address[2] ?? ''));
      if (receiver.requests.length > 0) stop.abort();
    };
    const options = { mode: 'visitors', port: 0, seconds: 50, eventsPerSecond: 100 } as const;
    await runDemo(options, stop.signal, print);
    await Promise.all(subscribed);
    await receiver.close();
    const [request] = receiver.requests;
    const headers = request?.headers as Record<string, string>;
    const body = request?.body ?? '';
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({
      trigger: { name: 'any page', type: 'sequence' },
      sequence: ['page_view'],
    });
    expect(() => new Webhook(secret).verify(body.replace('any page', 'another'), headers)).toThrow();
  });
});
