import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Environment, openEnvironment } from '../../../src/store/environment.ts';
import { openTokenStore } from '../../../src/store/tokens.ts';

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
    const one = await store.create('one', 'for the site');
    const two = await store.create('two', 'for the site');
    expect(one.token).toMatch(/^st_[\w-]{43}$/);
    expect(store.lookup(one.token)).toEqual({ ou: 'one' });
    expect(store.lookup(two.token)).toEqual({ ou: 'two' });
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
    const { token, info } = await openTokenStore(environment, [], () => 1_000).create('one', 'kept');
    await environment.close();
    environment = openEnvironment(dataDir);
    const store = openTokenStore(environment);
    expect(store.lookup(token)).toEqual({ ou: 'one' });
    expect(store.list()).toEqual([{ id: info.id, ou: 'one', name: 'kept', createdAtMs: 1_000 }]);
  });

  it('lists oldest first, of one OU or all, and never a hash', async () => {
    let nowMs = 5;
    const store = openTokenStore(environment, [], () => nowMs);
    for (const [ou, name] of [
      ['one', 'c'],
      ['two', 'b'],
      ['one', 'a'],
    ] as const) {
      await store.create(ou, name);
      nowMs += 1;
    }
    expect(store.list().map(({ name }) => name)).toEqual(['c', 'b', 'a']);
    expect(store.list('one').map(({ name }) => name)).toEqual(['c', 'a']);
    for (const info of store.list())
      expect(Object.keys(info).sort()).toEqual(['createdAtMs', 'id', 'name', 'ou']);
  });

  it('revokes one token and no other', async () => {
    const store = openTokenStore(environment);
    const gone = await store.create('one', 'gone');
    const kept = await store.create('one', 'kept');
    expect(await store.revoke(gone.info.id)).toBe(true);
    expect(await store.revoke(gone.info.id)).toBe(false);
    expect(await store.revoke('tok-none')).toBe(false);
    expect(store.lookup(gone.token)).toBeUndefined();
    expect(store.lookup(kept.token)).toEqual({ ou: 'one' });
    expect(store.list().map(({ id }) => id)).toEqual([kept.info.id]);
  });

  it('knows the tokens of the configuration without storing or listing them', () => {
    const configured = [
      { ou: 'one', token: 'first' },
      { ou: 'two', token: 'second-and-longer' },
    ];
    const store = openTokenStore(environment, configured);
    expect(store.lookup('first')).toEqual({ ou: 'one' });
    expect(store.lookup('second-and-longer')).toEqual({ ou: 'two' });
    expect(store.lookup('third')).toBeUndefined();
    expect(store.list()).toEqual([]);
    expect(openTokenStore(environment).lookup('first')).toBeUndefined();
  });

  it('writes no token to the disk', async () => {
    const { token } = await openTokenStore(environment, [{ ou: 'one', token: 'configured-token' }]).create(
      'one',
      'x',
    );
    await environment.close();
    const bytes = readFileSync(join(dataDir, 'lmdb', 'data.mdb'));
    environment = openEnvironment(dataDir);
    expect(bytes.includes('tok-')).toBe(true);
    expect(bytes.includes(token)).toBe(false);
    expect(bytes.includes('configured-token')).toBe(false);
  });
});
