import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTokens } from '../../../src/cli/tokens.ts';
import { AnswerRows } from '../../../src/store/answerRows.ts';
import { openEnvironment } from '../../../src/store/environment.ts';
import { MINIMAL_SEQUENCE, toAnswer } from '../../support/api.ts';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { type RunningProgram, startProgram, TOKEN, temporaryDataDir } from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

const ROUNDS = 5;
const REQUESTS = 12;

let program: RunningProgram | undefined;
let dataDir: ReturnType<typeof temporaryDataDir> | undefined;
let receiver: Receiver | undefined;
let nats: TestServer;

beforeEach(async () => {
  nats = await startNats();
});

afterEach(async () => {
  await program?.kill();
  await nats.stop();
  await receiver?.close();
  dataDir?.remove();
  program = undefined;
  receiver = undefined;
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<RunningProgram> {
  dataDir = program === undefined ? temporaryDataDir() : dataDir;
  program = await startProgram({ dataDir: dataDir?.path ?? '', env: { NATS_URL: nats.url, ...env } });
  return program;
}

async function ask(
  { url }: RunningProgram,
  method: string,
  path: string,
  {
    token = TOKEN,
    body,
    headers = {},
  }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return toAnswer(response);
}

async function command(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const output = { out: (text: string) => void lines.push(text), err: () => {} };
  expect(await runTokens(args, output, () => dataDir?.path ?? '')).toBe(0);
  return lines.join('\n');
}

/** Leaves of each request with an Idempotency-Key what a crash before its answer leaves. */
async function forgetAnswers(): Promise<void> {
  const environment = openEnvironment(dataDir?.path ?? '');
  const rows = new AnswerRows(environment);
  for (const tokenId of rows.tokens()) {
    for (const [, , key] of [...environment.table('answer_times').getKeys({ start: [tokenId] })]) {
      const place = { tokenId, key: String(key) };
      await environment.write(() => rows.put(place, { ...rows.get(place)!, sealed: null }));
    }
  }
  await environment.close();
}

describe('tokens of a running program', () => {
  it('made and revoked by another process count from the next request on, with their roles', async () => {
    const running = await start();
    const token = await command('create', '--ou', 'default', '--name', 'sender', '--role', 'ingest');
    const body = { lead_id: 'ada', event_type: 'visit' };
    expect((await ask(running, 'POST', '/ingest', { token, body })).status).toBe(202);
    expect((await ask(running, 'GET', '/sequences', { token })).status).toBe(403);
    const [id = ''] = (await command('list')).split('\t');
    await waitFor('the note of the use', async () => (await command('list')).split('\t')[6] !== 'never');
    expect((await ask(running, 'GET', `/tokens/${id}`)).json).toMatchObject({
      name: 'sender',
      role: 'ingest',
    });
    await command('revoke', id);
    expect((await ask(running, 'POST', '/ingest', { token, body })).status).toBe(401);
    expect((await ask(running, 'GET', `/tokens/${id}`)).status).toBe(404);
  });

  it('begin with one of an administrator, which makes others that outlive a restart', async () => {
    let running = await start({ API_TOKENS: '' });
    const shown = async () => /shown only now: (st_\S+)/.exec(running.log())?.[1];
    const first = await waitFor('the token in the log', shown);
    const made = await ask(running, 'POST', '/tokens', {
      token: first,
      body: { name: 'reader', role: 'read', rate_per_second: 2 },
    });
    const token = String(made.json.token);
    expect(made.status).toBe(201);
    await running.stop();
    running = await start({ API_TOKENS: '' });
    const read = await ask(running, 'GET', '/sequences', { token, headers: { 'x-request-id': 'my-id' } });
    expect([read.status, read.headers.get('ratelimit-policy'), read.headers.get('x-request-id')]).toEqual([
      200,
      '"token";q=2;w=1',
      'my-id',
    ]);
    const refused = await waitFor('a request too many', async () => {
      const answer = await ask(running, 'GET', '/sequences', { token });
      return answer.status === 429 ? answer : undefined;
    });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await ask(running, 'POST', '/sequences', { token: first, body: MINIMAL_SEQUENCE })).status).toBe(
      201,
    );
    const log = running.log();
    expect(log).toContain('"route":"/sequences"');
    expect(log).not.toContain(token);
  });
});

describe('a change with If-Match', () => {
  it('is made to the version that it names and to no other', async () => {
    const running = await start();
    const { json } = await ask(running, 'POST', '/sequences', { body: MINIMAL_SEQUENCE });
    const path = `/sequences/${json.id}`;
    const statuses = [];
    for (const [method, tag] of [
      ['PATCH', '"1"'],
      ['PATCH', '"1"'],
      ['DELETE', '"1"'],
      ['DELETE', '"2"'],
    ] as const) {
      const body = method === 'PATCH' ? { body: { name: 'new' } } : {};
      const answer = await ask(running, method, path, { ...body, headers: { 'if-match': tag } });
      statuses.push([answer.status, answer.headers.get('etag')]);
    }
    expect(statuses).toEqual([
      [200, '"2"'],
      [412, '"2"'],
      [412, '"2"'],
      [204, null],
    ]);
  });
});

describe('a request with an Idempotency-Key', () => {
  it('is answered with the first answer after a restart', async () => {
    let running = await start();
    const creation = { body: MINIMAL_SEQUENCE, headers: { 'idempotency-key': 'k' } };
    const first = await ask(running, 'POST', '/sequences', creation);
    await running.stop();
    running = await start();
    const again = await ask(running, 'POST', '/sequences', creation);
    expect([first.status, again.text, again.headers.get('idempotency-replayed')]).toEqual([
      201,
      first.text,
      'true',
    ]);
    expect((await ask(running, 'GET', '/sequences')).json.sequences).toHaveLength(1);
  });

  it('makes one sequence, however often the program is killed before it answers', async () => {
    let running = await start();
    const answered = new Map<string, string>();
    const create = async (key: string) => {
      const creation = {
        body: { ...MINIMAL_SEQUENCE, name: key },
        headers: { 'idempotency-key': key },
      };
      const { status, text } = await ask(running, 'POST', '/sequences', creation);
      if (status !== 201) throw new Error(text);
      expect(answered.get(key) ?? text).toBe(text);
      answered.set(key, text);
    };
    let seenUnanswered = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const keys = Array.from({ length: REQUESTS }, (_, n) => `${round}-${n}`);
      const asked = keys.map(async (key, n) => {
        await new Promise((resolve) => setTimeout(resolve, n));
        await create(key);
      });
      const some = Promise.race(asked);
      await some;
      await running.kill();
      const ends = await Promise.allSettled(asked);
      seenUnanswered += ends.filter(({ status }) => status === 'rejected').length;
      running = await start();
      for (const key of keys) await waitFor(`an answer for ${key}`, () => create(key).then(() => true));
    }
    expect(seenUnanswered).toBeGreaterThan(0);
    const { sequences } = (await ask(running, 'GET', '/sequences')).json as { sequences: { name: string }[] };
    const names = sequences.map(({ name }) => name).sort();
    expect(names).toEqual([...answered.keys()].sort());
    expect(names).toHaveLength(ROUNDS * REQUESTS);
  });

  it('has sent one sample when nobody saw its answer, and finds it, wherever samples go by then', async () => {
    receiver = await startReceiver();
    let running = await start();
    const body = { ...MINIMAL_SEQUENCE, webhook_url: `${receiver.url}/hook` };
    const path = `/sequences/${(await ask(running, 'POST', '/sequences', { body })).json.id}`;
    const keyed = { body: {}, headers: { 'idempotency-key': 'k' } };
    const first = await ask(running, 'POST', `${path}/test`, keyed);
    const delivered = async () => (await ask(running, 'GET', '/deliveries?status=delivered')).json.total;
    await waitFor('the sample', async () => (await delivered()) === 1);
    await ask(running, 'PATCH', path, { body: { webhook_url: `${receiver.url}/elsewhere` } });
    await running.stop();
    await forgetAnswers();
    running = await start();
    const again = await ask(running, 'POST', `${path}/test`, keyed);
    const [sent] = again.json.deliveries as { destination: string; state: string }[];
    expect([again.status, again.json.fire_id, again.headers.get('idempotency-replayed')]).toEqual([
      202,
      first.json.fire_id,
      null,
    ]);
    expect(sent).toMatchObject({ destination: `${receiver.url}/hook`, state: 'delivered' });
    expect([(await ask(running, 'GET', '/deliveries')).json.total, receiver.requests.length]).toEqual([1, 1]);
  });
});
