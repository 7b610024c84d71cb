import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Environment, openEnvironment, packRow } from '../../../src/store/environment.ts';
import { openTokenStore } from '../../../src/store/tokens.ts';

const WANTED = { name: 'for the site', role: 'write', expiresAtMs: null, ratePerSecond: null } as const;
const named = (name: string) => ({ ...WANTED, name });

let dataDir: string;
let environment: Environment;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tokens-'));
  environment = openEnvironment(dataDir);
});

afterEach(async () => {
  await environment.close();
  rmSync(dataDir, { recursive: true });
});

describe('the token store', () => {
  it('creates tokens that are looked up by their text alone', async () => {
    const store = openTokenStore(environment);
    const one = await store.create('one', WANTED);
    const two = await store.create('two', WANTED);
    expect(one.token).toMatch(/^st_[\w-]{43}$/);
    expect(store.lookup(one.token)).toMatchObject({ ou: 'one' });
    expect(store.lookup(two.token)).toMatchObject({ ou: 'two' });
    for (const wrong of [
      '',
      'st_',
      `${one.token}x`,
      one.token.slice(0, -1),
      one.token.toUpperCase(),
      one.info.id,
    ]) {
      expect(store.lookup(wrong)).toBeUndefined();
    }
  });

  it('keeps them over a restart', async () => {
    const { token, info } = await openTokenStore(environment, [], () => 1_000).create('one', named('kept'));
    await environment.close();
    environment = openEnvironment(dataDir);
    const store = openTokenStore(environment);
    expect(store.lookup(token)).toMatchObject({ ou: 'one' });
    expect(store.list()).toMatchObject([{ id: info.id, ou: 'one', name: 'kept', createdAtMs: 1_000 }]);
  });

  it('lists oldest first, of one OU or all, and never a hash', async () => {
    let nowMs = 5;
    const store = openTokenStore(environment, [], () => nowMs);
    for (const [ou, name] of [
      ['one', 'c'],
      ['two', 'b'],
      ['one', 'a'],
    ] as const) {
      await store.create(ou, named(name));
      nowMs += 1;
    }
    expect(store.list().map(({ name }) => name)).toEqual(['c', 'b', 'a']);
    expect(store.list('one').map(({ name }) => name)).toEqual(['c', 'a']);
    for (const info of store.list()) expect(Object.keys(info)).not.toContain('hash');
  });

  it('revokes one token and no other', async () => {
    const store = openTokenStore(environment);
    const gone = await store.create('one', named('gone'));
    const kept = await store.create('one', named('kept'));
    expect(await store.revoke(gone.info.id)).toBe(true);
    expect(await store.revoke(gone.info.id)).toBe(false);
    expect(await store.revoke('tok-none')).toBe(false);
    expect(store.lookup(gone.token)).toBeUndefined();
    expect(store.lookup(kept.token)).toMatchObject({ ou: 'one' });
    expect(store.list().map(({ id }) => id)).toEqual([kept.info.id]);
  });

  it('knows the tokens of the configuration without storing or listing them', () => {
    const configured = [
      { ou: 'one', token: 'first' },
      { ou: 'two', token: 'second-and-longer' },
    ];
    const store = openTokenStore(environment, configured);
    expect(store.lookup('first')).toMatchObject({ ou: 'one' });
    expect(store.lookup('second-and-longer')).toMatchObject({ ou: 'two' });
    expect(store.lookup('third')).toBeUndefined();
    expect(store.list()).toEqual([]);
    expect(openTokenStore(environment).lookup('first')).toBeUndefined();
  });

  it('writes no token to the disk', async () => {
    const { token } = await openTokenStore(environment, [{ ou: 'one', token: 'configured-token' }]).create(
      'one',
      WANTED,
    );
    await environment.close();
    const bytes = readFileSync(join(dataDir, 'lmdb', 'data.mdb'));
    environment = openEnvironment(dataDir);
    expect(bytes.includes('tok-')).toBe(true);
    expect(bytes.includes(token)).toBe(false);
    expect(bytes.includes('configured-token')).toBe(false);
  });

  it('takes a token of before there were roles for one that may write', async () => {
    const text = 'st_of_before';
    const hash = createHash('sha256').update(text).digest('hex');
    const row = { id: 'tok-old', ou: 'one', name: 'old', createdAtMs: 1, hash };
    const table = environment.table('tokens');
    await environment.write(() => void table.put([hash], packRow(1, row)));
    const store = openTokenStore(environment);
    const told = { id: 'tok-old', ou: 'one', role: 'write', expiresAtMs: null, ratePerSecond: null };
    expect(store.lookup(text)).toEqual(told);
    expect(store.list()).toMatchObject([{ ...told, name: 'old', createdAtMs: 1 }]);
  });

  it('takes the tokens of the configuration for those of administrators', () => {
    const store = openTokenStore(environment, [{ ou: 'one', token: 'first' }]);
    expect(store.lookup('first')).toMatchObject({ id: 'configured-1', role: 'admin', expiresAtMs: null });
  });

  it('notes the use of a token once a minute, and none of one that has expired', async () => {
    let nowMs = 1_000_000;
    const store = openTokenStore(environment, [], () => nowMs);
    const { token, info } = await store.create('one', { ...WANTED, expiresAtMs: 2_000_000 });
    const lastUse = async () => {
      await environment.write(() => undefined);
      return store.list()[0]?.lastUsedAtMs;
    };
    expect(await lastUse()).toBeNull();
    store.lookup(token);
    expect(await lastUse()).toBe(1_000_000);
    nowMs = 1_059_999;
    store.lookup(token);
    expect(await lastUse()).toBe(1_000_000);
    nowMs = 1_060_000;
    store.lookup(token);
    expect(await lastUse()).toBe(1_060_000);
    nowMs = 2_000_000;
    expect(store.lookup(token)).toMatchObject({ id: info.id, expiresAtMs: 2_000_000 });
    expect(await lastUse()).toBe(1_060_000);
  });

  it('forgets the use of a token with the token', async () => {
    const store = openTokenStore(environment);
    const { token, info } = await store.create('one', WANTED);
    store.lookup(token);
    await store.revoke(info.id);
    expect(environment.table('token_uses').getCount()).toBe(0);

    // Also where it is used while it is being revoked.
    const other = await store.create('one', WANTED);
    const revoking = store.revoke(other.info.id);
    expect(store.lookup(other.token)).toBeDefined();
    await revoking;
    await environment.write(() => undefined);
    expect(environment.table('token_uses').getCount()).toBe(0);
  });

  it('revokes no token of another OU for someone of an OU', async () => {
    const store = openTokenStore(environment);
    const { token, info } = await store.create('one', WANTED);
    expect(await store.revoke(info.id, 'two')).toBe(false);
    expect(store.lookup(token)).toBeDefined();
    expect(await store.revoke(info.id, 'one')).toBe(true);
  });

  it('lets a new token with an id that is taken replace the one that has it, in the same OU alone', async () => {
    const store = openTokenStore(environment);
    const first = await store.create('one', WANTED, 'tok-same');
    const other = await store.create('two', WANTED, 'tok-same');
    const second = await store.create('one', WANTED, 'tok-same');
    expect(store.lookup(first.token)).toBeUndefined();
    expect(store.lookup(second.token)).toMatchObject({ ou: 'one' });
    expect(store.lookup(other.token)).toMatchObject({ ou: 'two' });
  });
});
