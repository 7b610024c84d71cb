import { describe, expect, it } from 'vitest';
import { MINIMAL_SEQUENCE, startApi } from '../../support/api.ts';

const ORIGIN = 'https://app.example.com';
const preflight = (origin: string) => ({
  token: null,
  headers: {
    origin,
    'access-control-request-method': 'PATCH',
    'access-control-request-headers': 'authorization, if-match',
  },
});
const corsHeaders = (headers: Headers) =>
  [...headers.keys()].filter((name) => name.startsWith('access-control'));

describe('pages of other origins', () => {
  it('are told nothing unless origins are configured', async () => {
    const { call } = startApi();
    const asked = await call('OPTIONS', '/sequences/x', preflight(ORIGIN));
    expect([asked.status, corsHeaders(asked.headers)]).toEqual([401, []]);
    const read = await call('GET', '/sequences', { headers: { origin: ORIGIN } });
    expect([read.status, corsHeaders(read.headers), read.headers.get('vary')]).toEqual([200, [], null]);
  });

  it('may ask before they call, without a token, when theirs is configured', async () => {
    const { call, world } = startApi({ corsOrigins: ['https://other.example.com', ORIGIN] });
    const { status, headers, text } = await call('OPTIONS', '/sequences/x', preflight(ORIGIN));
    expect([status, text, headers.get('access-control-allow-origin')]).toEqual([204, '', ORIGIN]);
    expect(headers.get('access-control-allow-methods')?.split(',')).toContain('PATCH');
    const allowed = headers.get('access-control-allow-headers')?.split(',');
    for (const name of ['authorization', 'content-type', 'if-match', 'idempotency-key']) {
      expect(allowed).toContain(name);
    }
    expect(headers.get('vary')).toContain('Origin');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(world.log.map(({ fields }) => fields.status)).toEqual([204]);
  });

  it('may read the answers and the headers that they need, also of problems', async () => {
    const { call } = startApi({ corsOrigins: [ORIGIN] });
    for (const options of [{ body: MINIMAL_SEQUENCE }, { body: {} }, { token: 'st_wrong' }]) {
      const { headers } = await call('POST', '/sequences', { ...options, headers: { origin: ORIGIN } });
      expect(headers.get('access-control-allow-origin')).toBe(ORIGIN);
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      const exposed = headers.get('access-control-expose-headers')?.split(',');
      for (const name of ['etag', 'location', 'retry-after', 'ratelimit', 'x-request-id']) {
        expect(exposed).toContain(name);
      }
    }
  });

  it.each(['https://evil.example.com', 'null', `${ORIGIN}:8443`, 'http://app.example.com'])(
    'are refused when theirs is %s',
    async (origin) => {
      const { call } = startApi({ corsOrigins: [ORIGIN] });
      const asked = await call('OPTIONS', '/sequences', preflight(origin));
      expect(asked.headers.get('access-control-allow-origin')).toBeNull();
      const read = await call('GET', '/sequences', { headers: { origin } });
      expect(read.headers.get('access-control-allow-origin')).toBeNull();
      expect(read.headers.get('vary')).toBe('Origin');
    },
  );

  it('change nothing for OPTIONS that is no preflight, and for methods that are not possible', async () => {
    const { call } = startApi({ corsOrigins: [ORIGIN] });
    const plain = await call('OPTIONS', '/sequences', { headers: { origin: ORIGIN } });
    expect([plain.status, plain.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect((await call('PUT', '/ingest', { headers: { origin: ORIGIN } })).status).toBe(405);
  });
});
