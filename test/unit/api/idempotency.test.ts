import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createApp } from '../../../src/api/app.ts';
import {
  type Answer,
  aDelivery,
  aToken,
  type CallOptions,
  MINIMAL_SEQUENCE,
  memoryPorts,
  startApi,
  TOKEN_ONE,
  TOKEN_TWO,
  toAnswer,
} from '../../support/api.ts';
import { type DocumentedOperation, startDocumentedApi } from '../../support/openapi.ts';

const keyed = (key: string, options: CallOptions = {}): CallOptions => ({
  ...options,
  headers: { 'idempotency-key': key },
});
const creation = (key: string, fields: object = {}) =>
  keyed(key, { body: { ...MINIMAL_SEQUENCE, ...fields } });
const isReplayed = ({ headers }: Answer) => headers.get('idempotency-replayed');

describe('a POST with an Idempotency-Key', () => {
  it('is done once, and answered again with the very same', async () => {
    const { call, world } = startApi();
    const first = await call('POST', '/sequences', creation('k-1'));
    world.nowMs += 60_000;
    const again = await call('POST', '/sequences', creation('k-1'));
    expect([first.status, isReplayed(first)]).toEqual([201, null]);
    expect([again.status, isReplayed(again)]).toEqual([201, 'true']);
    expect(again.text).toBe(first.text);
    for (const name of ['location', 'etag', 'content-type', 'cache-control']) {
      expect(again.headers.get(name)).toBe(first.headers.get(name));
    }
    expect(again.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'));
    expect(world.catalogWrites).toBe(1);
  });

  it('takes the key in quotes for the same, and another key for another request', async () => {
    const { call, world } = startApi();
    const { json } = await call('POST', '/sequences', creation('"k 1"'.replace(' ', '-')));
    expect((await call('POST', '/sequences', creation('k-1'))).json).toEqual(json);
    expect((await call('POST', '/sequences', creation('k-2'))).json.id).not.toBe(json.id);
    expect(world.catalogWrites).toBe(2);
  });

  it('does nothing for a key that was used for another request, and says so', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    await call('POST', '/sequences', creation('k-1'));
    const writes = world.catalogWrites;
    const others = [
      await call('POST', '/sequences', creation('k-1', { name: 'Others' })),
      await call('POST', '/sequences?x=1', creation('k-1')),
      await call('POST', `/sequences/${id}/rotate-secret`, keyed('k-1')),
      await call('POST', '/ingest', keyed('k-1', { body: { lead_id: 'l', event_type: 't' } })),
    ];
    expect(others.map(({ status }) => status)).toEqual([422, 422, 422, 422]);
    expect([world.catalogWrites, world.published]).toEqual([writes, []]);
  });

  it('keeps the keys of one token apart from those of another', async () => {
    const { call, world } = startApi();
    world.tokens.set('st_other', aToken({ id: 'tok-other' }));
    const ids = [];
    for (const token of [TOKEN_ONE, TOKEN_TWO, 'st_other']) {
      const answer = await call('POST', '/sequences', { ...creation('k-1'), token });
      expect([answer.status, isReplayed(answer)]).toEqual([201, null]);
      ids.push(answer.json.id);
    }
    expect(new Set(ids).size).toBe(3);
  });

  it('shows an answer to no other token, even one under the same id', async () => {
    const { call, world } = startApi();
    const { json } = await call('POST', '/sequences', creation('k-1'));
    world.tokens.set('st_same_id', aToken({ id: 'tok-one' }));
    const other = await call('POST', '/sequences', { ...creation('k-1'), token: 'st_same_id' });
    expect([other.status, isReplayed(other), other.json.id === json.id]).toEqual([201, null, false]);
  });

  it('is refused with a 403 where the token may no longer do it', async () => {
    const { call, world } = startApi();
    await call('POST', '/sequences', creation('k-1'));
    world.tokens.set(TOKEN_ONE, aToken({ id: 'tok-one', role: 'read' }));
    expect((await call('POST', '/sequences', creation('k-1'))).status).toBe(403);
  });

  it('leaves the key free when it is refused, for the request as it should have been', async () => {
    const { call, world } = startApi({ sequencesPerOuMax: 1 });
    expect((await call('POST', '/sequences', creation('k-1', { name: 7 }))).status).toBe(400);
    world.catalogAvailable = false;
    expect((await call('POST', '/sequences', creation('k-1'))).status).toBe(503);
    world.catalogAvailable = true;
    expect((await call('POST', '/sequences', creation('k-1'))).status).toBe(201);
    expect((await call('POST', '/sequences', creation('k-2'))).status).toBe(409);
    world.sequences.clear();
    expect((await call('POST', '/sequences', creation('k-2'))).status).toBe(201);
  });

  it.each(['', ' ', '"', '""', '"a"b"', 'a b', 'x'.repeat(256), `"${'x'.repeat(256)}"`, 'é'])(
    'is a 400 that names the header for the key %j',
    async (key) => {
      const { call, world } = startApi();
      const answer = await call('POST', '/sequences', creation(key));
      expect([answer.status, answer.json.errors]).toEqual([
        400,
        [{ path: 'Idempotency-Key', message: expect.stringMatching(/^must be 1 to 255 visible/) }],
      ]);
      expect(world.catalogWrites).toBe(0);
    },
  );

  it('makes one sequence of any number of equal requests at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }), async (keys) => {
        const { call, world } = startApi();
        const answers = await Promise.all(
          keys.map((key) => call('POST', '/sequences', creation(key, { name: `of ${key}` }))),
        );
        expect(world.catalogWrites).toBe(new Set(keys).size);
        for (const key of new Set(keys)) {
          const those = answers.filter((_, index) => keys[index] === key);
          expect(those.filter(({ status }) => status === 201).map(({ json }) => json.name)).toContain(
            `of ${key}`,
          );
          for (const { status, headers } of those.filter((answer) => answer.status !== 201)) {
            expect([status, headers.get('retry-after')]).toEqual([409, '1']);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('is told while the first is under way that it is, and gets the answer afterwards', async () => {
    let store = () => {};
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    let calls = 0;
    const { call } = startApi({
      publish: async () => {
        calls++;
        await stored;
        return { ok: true };
      },
    });
    const body = { lead_id: 'l', event_type: 't' };
    const first = call('POST', '/ingest', keyed('k', { body }));
    while (calls === 0) await new Promise(setImmediate);
    expect((await call('POST', '/ingest', keyed('k', { body }))).status).toBe(409);
    expect((await call('POST', '/ingest', keyed('k', { body: { ...body, lead_id: 'm' } }))).status).toBe(422);
    store();
    const { status, text } = await first;
    const again = await call('POST', '/ingest', keyed('k', { body }));
    expect([status, again.status, again.text, calls]).toEqual([202, 202, text, 1]);
  });

  it('is made again after an answer that decided nothing, with the same ids of its events', async () => {
    const published: string[][] = [];
    let isUp = false;
    const { call } = startApi({
      publish: async (_ou, events) => {
        published.push(events.map(({ id }) => id));
        return isUp ? { ok: true } : { ok: false, reason: 'half of it', isTooLarge: false };
      },
    });
    const event = { lead_id: 'l', event_type: 't' };
    const body = { events: [event, { ...event, id: 'mine' }, event] };
    expect((await call('POST', '/ingest', keyed('k', { body }))).status).toBe(503);
    isUp = true;
    expect((await call('POST', '/ingest', keyed('k', { body }))).status).toBe(202);
    expect((await call('POST', '/ingest', { body })).status).toBe(202);
    const [first, again, other] = published;
    expect(again).toEqual(first);
    expect(new Set(first).size).toBe(3);
    expect(other?.filter((id) => first?.includes(id))).toEqual(['mine']);
  });

  it('stores nothing that can be read without the token and the key', async () => {
    const { call, world } = startApi();
    const sequence = await call('POST', '/sequences', creation('the-key', { name: 'readable' }));
    const token = await call('POST', '/tokens', keyed('other-key', { body: { name: 'x' } }));
    expect(world.answers.size).toBe(2);
    const stored = JSON.stringify(
      [...world.answers].map(([place, { sealed, ...rest }]) => [
        place,
        rest,
        Buffer.from(sealed ?? []).toString('latin1'),
      ]),
    );
    for (const secret of ['readable', 'the-key', sequence.json.webhook_secret, token.json.token, TOKEN_ONE]) {
      expect(stored).not.toContain(String(secret));
    }
  });

  it('is as without it where the method is no POST', async () => {
    const { call, create, world } = startApi();
    const { id } = await create();
    for (const name of ['one', 'two']) {
      const answer = await call('PATCH', `/sequences/${id}`, keyed('k', { body: { name } }));
      expect([answer.json.name, isReplayed(answer)]).toEqual([name, null]);
    }
    expect(world.answers.size).toBe(0);
  });

  it('is a 503 that does nothing while answers cannot be kept', async () => {
    const { ports } = memoryPorts();
    const { call, world } = startApi({ answers: { ...ports.answers, put: async () => false } });
    expect((await call('POST', '/sequences', creation('k'))).status).toBe(503);
    expect(world.catalogWrites).toBe(0);
    expect((await call('POST', '/sequences', { body: MINIMAL_SEQUENCE })).status).toBe(201);
  });
});

describe('after a crash between the change and its answer', () => {
  /** The ports, and two lives of the app on them: the first never gets as far as to keep an answer. */
  function twoLives() {
    const { ports, world } = memoryPorts();
    const never = new Promise<boolean>(() => {});
    let hasEnded = () => {};
    const ended = new Promise<void>((resolve) => {
      hasEnded = resolve;
    });
    const dying = {
      ...ports.answers,
      put: (...[place, answer]: Parameters<typeof ports.answers.put>) => {
        if (answer.sealed === null) return ports.answers.put(place, answer);
        hasEnded();
        return never;
      },
    };
    const ask = async (app: ReturnType<typeof createApp>, path: string, key: string, body: object) => {
      const headers = {
        authorization: `Bearer ${TOKEN_ONE}`,
        'content-type': 'application/json',
        'idempotency-key': key,
      };
      return toAnswer(await app.request(path, { method: 'POST', headers, body: JSON.stringify(body) }));
    };
    const first = createApp({ ...ports, answers: dying });
    const second = createApp(ports);
    return {
      world,
      crashAt: async (path: string, key: string, body: object) => {
        void ask(first, path, key, body);
        await ended;
      },
      askAgain: (path: string, key: string, body: object) => ask(second, path, key, body),
    };
  }

  it('a sequence is found, not made a second time, and its secret is shown', async () => {
    const { world, crashAt, askAgain } = twoLives();
    await crashAt('/sequences', 'k', MINIMAL_SEQUENCE);
    expect(world.catalogWrites).toBe(1);
    expect((await askAgain('/sequences', 'k', { ...MINIMAL_SEQUENCE, name: 'Others' })).status).toBe(422);
    const again = await askAgain('/sequences', 'k', MINIMAL_SEQUENCE);
    const [made] = [...world.sequences.values()];
    expect([again.status, again.json.id, again.json.webhook_secret]).toEqual([
      201,
      made?.id,
      made?.webhookSecret,
    ]);
    expect(world.catalogWrites).toBe(1);
    expect((await askAgain('/sequences', 'k', MINIMAL_SEQUENCE)).text).toBe(again.text);
  });

  it('a token that nobody saw gives way to the one that is shown', async () => {
    const { world, crashAt, askAgain } = twoLives();
    await crashAt('/tokens', 'k', { name: 'site' });
    const lost = [...world.tokens.keys()].at(-1);
    const again = await askAgain('/tokens', 'k', { name: 'site' });
    expect(again.status).toBe(201);
    expect([...world.tokens.values()].map(({ name }) => name)).toEqual([
      'for the site',
      'for the site',
      'site',
    ]);
    expect([world.tokens.has(String(again.json.token)), world.tokens.has(String(lost))]).toEqual([
      true,
      lost === again.json.token,
    ]);
  });

  it('a sample is found, not sent a second time', async () => {
    const { world, crashAt, askAgain } = twoLives();
    const body = { ...MINIMAL_SEQUENCE, webhook_url: 'https://example.com/hook' };
    const { json } = await askAgain('/sequences', 'made', body);
    const path = `/sequences/${json.id}/test`;
    await crashAt(path, 'k', {});
    const again = await askAgain(path, 'k', {});
    expect([again.status, [...world.samples.keys()]]).toEqual([202, [again.json.fire_id]]);
  });

  it('events are sent again with the same ids, so that they count once', async () => {
    const { world, crashAt, askAgain } = twoLives();
    await crashAt('/ingest', 'k', { lead_id: 'l', event_type: 't' });
    await askAgain('/ingest', 'k', { lead_id: 'l', event_type: 't' });
    const [first, again] = world.published;
    expect(again).toEqual(first);
  });
});

describe('every POST that does something', () => {
  it('takes a key, says so in the document, and is done once', async () => {
    const { operations } = await startDocumentedApi();
    const isReading = ({ operation }: DocumentedOperation) =>
      Object.values(operation.security?.[0] ?? {})
        .flat()
        .includes('read');
    const posts = operations.filter((each) => each.method === 'post' && !isReading(each));
    expect(posts.length).toBeGreaterThan(7);
    for (const { path, operation } of posts) {
      const api = await startDocumentedApi();
      api.world.deliveries = [aDelivery({ id: 'dlv-4b1f', state: 'dead' })];
      const names = operation.parameters.filter((each) => each.in === 'header').map(({ name }) => name);
      expect([path, names]).toEqual([path, ['Idempotency-Key']]);
      const id = operation.parameters.find((each) => each.in === 'path')?.example;
      const target = path.replace('{id}', String(id));
      const body = operation.requestBody?.content['application/json']?.example ?? {};
      const first = await api.call('POST', target, keyed('k', { body }));
      const again = await api.call('POST', target, keyed('k', { body }));
      expect([path, first.status < 300, again.text === first.text, isReplayed(again)]).toEqual([
        path,
        true,
        true,
        'true',
      ]);
    }
  });
});
