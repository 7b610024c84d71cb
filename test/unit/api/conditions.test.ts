import { describe, expect, it } from 'vitest';
import { startApi } from '../../support/api.ts';

async function withSequence() {
  const api = startApi();
  const { id } = await api.create();
  return { ...api, path: `/sequences/${id}` };
}

describe('the ETag of a sequence', () => {
  it('is its version, on every answer that shows it', async () => {
    const { call, path } = await withSequence();
    const etags = [];
    const created = await call('POST', '/sequences', {
      body: { name: 'x', event_types: ['a'], window_seconds: 60 },
    });
    etags.push(created.headers.get('etag'));
    for (const [method, target, body] of [
      ['GET', path, undefined],
      ['PUT', path, { name: 'one' }],
      ['PATCH', path, { name: 'two' }],
      ['PATCH', path, { name: 'two' }],
      ['POST', `${path}/rotate-secret`, undefined],
    ] as const) {
      etags.push((await call(method, target, { body })).headers.get('etag'));
    }
    expect(etags).toEqual(['"1"', '"1"', '"2"', '"3"', '"3"', '"4"']);
    expect((await call('GET', '/sequences')).headers.get('etag')).toBeNull();
  });

  it.each([
    ['"1"', 304],
    ['W/"1"', 304],
    ['"7", "1"', 304],
    ['"7",W/"1"', 304],
    ['*', 304],
    ['"2"', 200],
    ['1', 200],
    ['"11"', 200],
    ['', 200],
  ])('spares reading it again: If-None-Match: %s is answered with %i', async (header, status) => {
    const { call, path } = await withSequence();
    for (const method of ['GET', 'HEAD']) {
      const answer = await call(method, path, { headers: { 'if-none-match': header } });
      expect([answer.status, answer.headers.get('etag')]).toEqual([status, '"1"']);
      expect(answer.text === '').toBe(status === 304 || method === 'HEAD');
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  it.each([
    ['"1"', true],
    ['"5", "1"', true],
    ['*', true],
    ['"2"', false],
    ['W/"1"', false],
    ['1', false],
    ['', false],
  ])('guards a change: with If-Match: %s it is made: %s', async (header, isMade) => {
    for (const [method, body] of [
      ['PUT', { name: 'new' }],
      ['PATCH', { name: 'new' }],
      ['DELETE', undefined],
    ] as const) {
      const { call, path, world } = await withSequence();
      const answer = await call(method, path, { body, headers: { 'if-match': header } });
      const done = method === 'DELETE' ? 204 : 200;
      expect([method, answer.status]).toEqual([method, isMade ? done : 412]);
      if (isMade) continue;
      expect(answer.headers.get('etag')).toBe('"1"');
      expect(answer.json.detail).toMatch(/version 1, ETag "1"/);
      expect([...world.sequences.values()].map(({ name, version }) => [name, version])).toEqual([
        ['Buyers', 1],
      ]);
    }
  });

  it('lets one of many who change the same version make their change', async () => {
    const { call, path, world } = await withSequence();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        call('PATCH', path, { body: { name: `of ${n}` }, headers: { 'if-match': '"1"' } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(412)]);
    expect([...world.sequences.values()].map(({ version }) => version)).toEqual([2]);
  });

  it('is looked at after the sequence, so that what is not there stays a 404', async () => {
    const { call } = startApi();
    const headers = { 'if-match': '*' };
    expect((await call('DELETE', '/sequences/none', { headers })).status).toBe(404);
    expect((await call('PATCH', '/sequences/none', { body: {}, headers })).status).toBe(404);
  });
});
