import { describe, expect, it } from 'vitest';
import { ROLES, type Role } from '../../../src/model/token.ts';
import { aToken, errorsOf, START_MS, startApi, TOKEN_ONE, TOKEN_TWO } from '../../support/api.ts';
import { startDocumentedApi } from '../../support/openapi.ts';

const { operations } = await startDocumentedApi();
const closed = operations.filter(({ operation }) => operation.security?.length !== 0);

/** What each role may do, said apart from the program. */
const MAY: Readonly<Record<Role, (method: string, path: string) => boolean>> = {
  read: (method, path) => (method === 'get' && !path.startsWith('/tokens')) || path.endsWith('/simulate'),
  ingest: (_method, path) => path === '/ingest',
  write: (_method, path) => !path.startsWith('/tokens'),
  admin: () => true,
};

describe('the role of a token', () => {
  it.each(ROLES)(
    '%s lets it do what that role may, and answers the rest with a 403 that says why',
    async (role) => {
      const { call, world, catalogWrites } = await withToken(role);
      for (const { method, path } of closed) {
        const { status, json, headers } = await call(method.toUpperCase(), path.replace('{id}', 'none'), {
          token: 'st_role',
          ...(method === 'get' ? {} : { body: {} }),
        });
        const isAllowed = MAY[role](method, path);
        expect([method, path, status === 403]).toEqual([method, path, !isAllowed]);
        if (isAllowed) continue;
        expect(json.detail).toMatch(
          new RegExp(`needs a token with .*; the role of this token is ${role}\\.$`),
        );
        expect(headers.get('www-authenticate')).toMatch(/error="insufficient_scope", scope="\w+"$/);
      }
      if (role === 'read' || role === 'ingest') expect(world.catalogWrites).toBe(catalogWrites);
    },
  );

  it('is named in the document as the operation needs it', () => {
    for (const { method, path, operation } of closed) {
      const [needed] = Object.values(operation.security?.[0] ?? {}).flat() as Role[];
      expect(ROLES).toContain(needed);
      for (const role of ROLES.filter((each) => each === needed)) expect(MAY[role](method, path)).toBe(true);
    }
  });

  it('says nothing of paths that are not there or methods that are not possible', async () => {
    const { call } = await withToken('ingest');
    const token = 'st_role';
    expect((await call('GET', '/sequences/a/b/c', { token })).status).toBe(404);
    expect((await call('PATCH', '/ingest', { token })).status).toBe(405);
    expect((await call('HEAD', '/sequences', { token })).status).toBe(403);
  });
});

async function withToken(role: Role) {
  const api = startApi();
  api.world.tokens.set('st_role', aToken({ id: 'tok-role', role }));
  return { ...api, catalogWrites: api.world.catalogWrites };
}

describe('a token that expires', () => {
  it('is taken until then, and from then on a 401 says so', async () => {
    const { call, world } = startApi();
    world.tokens.set('st_short', aToken({ id: 'tok-short', expiresAtMs: START_MS + 1_000 }));
    world.nowMs = START_MS + 999;
    expect((await call('GET', '/sequences', { token: 'st_short' })).status).toBe(200);
    world.nowMs = START_MS + 1_000;
    const late = await call('GET', '/sequences', { token: 'st_short' });
    expect([late.status, late.json.detail]).toEqual([
      401,
      'The API token expired at 2026-01-01T00:00:01.000Z.',
    ]);
    expect(late.headers.get('www-authenticate')).toMatch(/error="invalid_token"/);
  });
});

describe('/tokens', () => {
  it('creates a token that works at once and is shown once', async () => {
    const { call } = startApi();
    const body = { name: 'site', role: 'ingest', expires_at: '2026-02-01T00:00:00Z', rate_per_second: 5 };
    const created = await call('POST', '/tokens', { body });
    const { token, ...rest } = created.json;
    expect([created.status, created.headers.get('location')]).toEqual([201, `/tokens/${rest.id}`]);
    expect(rest).toEqual({
      id: expect.stringMatching(/^tok-[0-9a-f]{16}$/),
      ou: 'one',
      name: 'site',
      role: 'ingest',
      created_at: '2026-01-01T00:00:00.000Z',
      expires_at: '2026-02-01T00:00:00.000Z',
      last_used_at: null,
      rate_per_second: 5,
    });
    const event = { lead_id: 'l', event_type: 't' };
    expect((await call('POST', '/ingest', { token: String(token), body: event })).status).toBe(202);
    expect((await call('GET', `/tokens/${rest.id}`)).json).toEqual(rest);
    const listed = await call('GET', '/tokens');
    expect((listed.json.tokens as object[]).at(-1)).toEqual(rest);
    expect(listed.text).not.toContain(String(token));
  });

  it('makes one that may write where no role is given', async () => {
    const { call } = startApi();
    expect((await call('POST', '/tokens', { body: { name: 'x' } })).json).toMatchObject({
      role: 'write',
      expires_at: null,
      rate_per_second: null,
    });
  });

  it.each([
    [{ name: ' ' }, 'name'],
    [{ name: 'x', role: 'root' }, 'role'],
    [{ name: 'x', expires_at: '2025-12-31T23:59:59Z' }, 'expires_at'],
    [{ name: 'x', expires_at: 'soon' }, 'expires_at'],
    [{ name: 'x', rate_per_second: 0 }, 'rate_per_second'],
    [{ name: 'x', ou: 'two' }, 'ou'],
  ])('refuses %j and names the field', async (body, field) => {
    const { call, world } = startApi();
    const answer = await call('POST', '/tokens', { body });
    expect([answer.status, [...errorsOf(answer).keys()]]).toEqual([400, [field]]);
    expect(world.tokens.size).toBe(2);
  });

  it('refuses a token too many', async () => {
    const { call, world } = startApi();
    for (let n = 1; n < 1_000; n++) world.tokens.set(`st_${n}`, aToken({ id: `tok-${n}` }));
    expect((await call('POST', '/tokens', { body: { name: 'x' } })).status).toBe(409);
    expect((await call('POST', '/tokens', { body: { name: 'x' }, token: TOKEN_TWO })).status).toBe(201);
  });

  it('revokes a token of the OU from the next request on, and not the one that asks', async () => {
    const { call, world } = startApi();
    world.tokens.set('st_gone', aToken({ id: 'tok-gone' }));
    expect((await call('GET', '/sequences', { token: 'st_gone' })).status).toBe(200);
    const revoked = await call('DELETE', '/tokens/tok-gone');
    expect([revoked.status, revoked.text]).toEqual([204, '']);
    expect((await call('GET', '/sequences', { token: 'st_gone' })).status).toBe(401);
    expect((await call('DELETE', '/tokens/tok-gone')).status).toBe(404);
    expect((await call('DELETE', '/tokens/tok-two')).status).toBe(404);
    const self = await call('DELETE', '/tokens/tok-one');
    expect([self.status, world.tokens.has(TOKEN_ONE)]).toEqual([409, true]);
  });
});
