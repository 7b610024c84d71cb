import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../../src/api/app.ts';
import type { FireHistoryPort } from '../../../src/api/ports.ts';
import { type HttpServer, serveHttp } from '../../../src/api/server.ts';
import { aFire, memoryPorts, TOKEN_ONE, TOKEN_TWO } from '../../support/api.ts';
import { waitFor } from '../../support/nats.ts';

const HOST = '127.0.0.1';
/** Far more than fits into the buffers of a connection. */
const PORTIONS = 100_000;

let server: HttpServer;

afterEach(() => server.close());

interface Source {
  readonly portions?: number;
  /** The portion that cannot be read. */
  readonly failAt?: number;
  readonly leadBytes?: number;
  /** The last portion waits for it. */
  readonly beforeLast?: Promise<void>;
}

/** An app of which the export reads a row at a time; `read` counts them. */
async function listen({
  portions = PORTIONS,
  failAt = Number.POSITIVE_INFINITY,
  leadBytes = 10_000,
  beforeLast = Promise.resolve(),
}: Source = {}) {
  const { ports, world } = memoryPorts();
  const state = { read: 0 };
  const readFires: FireHistoryPort['readFires'] = () => {
    state.read += 1;
    if (state.read === failAt) throw new Error('the disk is gone');
    const id = `fire-${state.read}`;
    const fires = [{ fire: aFire({ id, leadId: 'x'.repeat(leadBytes) }), deliveries: [] }];
    if (state.read === portions) return beforeLast.then(() => ({ fires, next: null }));
    return { fires, next: { time: 1, id } };
  };
  server = await serveHttp(createApp({ ...ports, fires: { ...ports.fires, readFires } }), HOST, 0);
  return { state, world };
}

function ask(method = 'GET', token = TOKEN_ONE): Promise<IncomingMessage> {
  const headers = { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const target = { host: HOST, port: server.port, path: '/sequence-events/export', method, headers };
    httpRequest({ ...target, agent: false }, resolve)
      .on('error', reject)
      .end();
  });
}

/** Takes an answer to its end, or to where it breaks off. Resolves to its status. */
async function statusOf(asked: Promise<IncomingMessage>): Promise<number | undefined> {
  const answer = await asked;
  answer.resume();
  await new Promise((resolve) => answer.once('end', resolve).once('error', resolve));
  return answer.statusCode;
}

/** Resolves once nothing more is read for a while, with how many portions were. */
async function whenStill(state: { readonly read: number }): Promise<number> {
  for (let seen = -1; ; ) {
    if (seen === state.read) return seen;
    seen = state.read;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

describe('an export over HTTP', () => {
  it('arrives whole', async () => {
    await listen({ portions: 500 });
    let text = '';
    for await (const chunk of await ask()) text += chunk;
    expect(text.split('\r\n')).toHaveLength(502);
    expect(text.endsWith('e1 > e2\r\n')).toBe(true);
  });

  it('reads no faster than the client takes it, answers others meanwhile, and ends when the client goes', async () => {
    const { state, world } = await listen();
    const answer = await ask();
    const stillAt = await whenStill(state);
    expect(stillAt).toBeLessThan(PORTIONS / 10);
    expect((await fetch(`http://${HOST}:${server.port}/healthz`)).status).toBe(200);
    answer.resume();
    await waitFor('more to be read', () => state.read > stillAt);
    answer.destroy();
    expect(await whenStill(state)).toBeLessThan(PORTIONS / 5);
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('lets others have their turn, also where nothing has to wait for the client', async () => {
    const portions = 5_000;
    const { state } = await listen({ portions, leadBytes: 10 });
    const health = async () => (await fetch(`http://${HOST}:${server.port}/healthz`)).text();
    // The client's first request takes long for reasons of its own.
    await health();
    const answer = await ask();
    await health();
    expect(state.read).toBeLessThan(portions);
    answer.resume();
    await waitFor('the rest', () => state.read === portions);
  });

  it('has nothing to complain of when the client goes while fires are read', async () => {
    const gate: { release: () => void } = { release: () => {} };
    const { state, world } = await listen({
      portions: 3,
      beforeLast: new Promise<void>((resolve) => {
        gate.release = resolve;
      }),
    });
    const answer = await ask();
    answer.resume();
    await waitFor('the last to be read', () => state.read === 3);
    answer.destroy();
    await whenStill(state);
    gate.release();
    await whenStill(state);
    expect(world.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('breaks the connection when the rest cannot be read, and says so in the log alone', async () => {
    const onConsole = vi.spyOn(console, 'error').mockReturnValue();
    const { world } = await listen({ failAt: 50 });
    const answer = await ask();
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    const outcome = await new Promise((resolve) => {
      answer.once('end', () => resolve('ended'));
      answer.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    expect(outcome).toBe('ECONNRESET');
    expect(bytes).toBeGreaterThan(0);
    expect(world.log.filter(({ level }) => level === 'error').map(({ message }) => message)).toEqual([
      'an export broke off',
    ]);
    expect(onConsole).not.toHaveBeenCalled();
    onConsole.mockRestore();
  });

  it('reads one portion for HEAD', async () => {
    const { state } = await listen();
    const answer = await ask('HEAD');
    answer.resume();
    await new Promise((resolve) => answer.once('end', resolve));
    expect([answer.statusCode, answer.headers['content-disposition'], await whenStill(state)]).toEqual([
      200,
      'attachment; filename="sequence-events.csv"',
      1,
    ]);
  });

  it('is one of at most four at a time in an organizational unit, whether their clients take them or not', async () => {
    const { state } = await listen();
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    await whenStill(state);
    const refused = await ask();
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '5']);
    expect(JSON.parse((await refused.toArray()).join('')).detail).toMatch(/^4 exports .* are under way/);
    const other = await ask('GET', TOKEN_TWO);
    expect(other.statusCode).toBe(200);
    for (const answer of [...answers.slice(1), other]) answer.destroy();
    const again = [];
    for (let free = 0; free < 3; free += 1) {
      again.push(
        await waitFor('a place', async () => {
          const answer = await ask();
          return answer.statusCode === 200 ? answer : undefined;
        }),
      );
    }
    expect(await statusOf(ask())).toBe(429);
    for (const answer of [...answers, ...again]) answer.destroy();
  });

  it.each([
    ['arrives whole', 'GET', { portions: 2 }, 200],
    ['has no body', 'HEAD', {}, 200],
    ['cannot be begun', 'GET', { failAt: 1 }, 500],
    ['breaks off', 'GET', { failAt: 2 }, 200],
  ])('makes room for another when it %s', async (_how, method, source, status) => {
    vi.spyOn(console, 'error').mockReturnValue();
    const { state } = await listen(source);
    for (let time = 0; time < 10; time += 1) {
      state.read = 0;
      expect(await waitFor('an answer', () => statusOf(ask(method)))).toBe(status);
    }
    vi.restoreAllMocks();
  });

  it('reads a portion in a turn of the event loop, however many clients take theirs at once', async () => {
    const { state } = await listen({ leadBytes: 10 });
    let readBefore = 0;
    let readInTurnMax = 0;
    let isEnded = false;
    const watch = (): void => {
      readInTurnMax = Math.max(readInTurnMax, state.read - readBefore);
      readBefore = state.read;
      if (!isEnded) setImmediate(watch);
    };
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    readBefore = state.read;
    watch();
    for (const answer of answers) answer.resume();
    await waitFor('many portions', () => state.read > 1_000);
    isEnded = true;
    for (const answer of answers) answer.destroy();
    expect(readInTurnMax).toBe(1);
  });
});
