import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runTokens } from '../../../src/cli/tokens.ts';
import { type Environment, openEnvironment } from '../../../src/store/environment.ts';
import { openTokenStore } from '../../../src/store/tokens.ts';
import { startApi } from '../../support/api.ts';
import { waitFor } from '../../support/nats.ts';

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

describe('npm run tokens', () => {
  const run = async (...args: string[]) => {
    const out: string[] = [];
    const err: string[] = [];
    const output = { out: (text: string) => void out.push(text), err: (text: string) => void err.push(text) };
    const code = await runTokens(args, output, () => dataDir);
    return { code, out: out.join('\n'), err: err.join('\n') };
  };

  it('creates, lists and revokes', async () => {
    const created = await run('create', '--ou', 'one', '--name', 'for the site');
    expect(created.code).toBe(0);
    expect(created.out).toMatch(/^st_[\w-]{43}$/);
    const listed = await run('list', '--ou', 'one');
    const [id, ou, name, date, ...more] = listed.out.split('\t');
    expect([listed.code, ou, name]).toEqual([0, 'one', 'for the site']);
    expect(more).toEqual(['write', 'never', 'never', '-']);
    expect(Date.parse(String(date))).not.toBeNaN();
    expect(created.err).toContain(id);
    expect(listed.out).not.toContain(created.out);
    expect((await run('list', '--ou', 'two')).out).toBe('');
    expect((await run('revoke', String(id))).code).toBe(0);
    expect((await run('revoke', String(id))).code).toBe(1);
    expect((await run('list')).out).toBe('');
    expect(openTokenStore(environment).lookup(created.out)).toBeUndefined();
  });

  it('gives a token the role, the end and the rate that are asked for', async () => {
    const options = ['--role', 'read', '--expires', '2100-01-31', '--rate', '5'];
    const created = await run('create', '--ou', 'one', '--name', 'x', ...options);
    expect((await run('list')).out.split('\t').slice(4)).toEqual([
      'read',
      '2100-01-31T00:00:00.000Z',
      'never',
      '5/s',
    ]);
    const store = openTokenStore(environment);
    expect(store.lookup(created.out)).toMatchObject({
      role: 'read',
      expiresAtMs: Date.UTC(2100, 0, 31),
      ratePerSecond: 5,
    });
    await run('create', '--ou', 'two', '--name', 'x', '--expires', '90d');
    const expiresInMs = (store.list('two')[0]?.expiresAtMs ?? 0) - Date.now();
    expect(Math.round(expiresInMs / 86_400_000)).toBe(90);
    await waitFor('the note of the use', () => store.list('one')[0]?.lastUsedAtMs ?? undefined);
    expect((await run('list', '--ou', 'one')).out.split('\t')[6]).toMatch(/^20\d\d-.*Z$/);
  });

  it.each([
    [[], 'A command is required'],
    [['make'], '"make" is not a command'],
    [['create'], '--ou is required'],
    [['create', '--ou', 'one'], '--name is required'],
    [['create', '--ou', 'not ok', '--name', 'x'], '--ou must be'],
    [['create', '--ou', 'x'.repeat(65), '--name', 'x'], '--ou must be'],
    [['create', '--ou', 'one', '--name', ' '], '--name must be'],
    [['create', '--ou', 'one', '--name', 'a\tb'], '--name must be'],
    [['create', 'one', '--ou', 'one', '--name', 'x'], '"one" is too much'],
    [['create', '--ou'], '--ou'],
    [['create', '--ou', 'one', '--name', 'x', '--role', 'root'], '--role must be one of read, ingest'],
    [['create', '--ou', 'one', '--name', 'x', '--expires', '2001-01-01'], '--expires must be'],
    [['create', '--ou', 'one', '--name', 'x', '--expires', '90'], '--expires must be'],
    [['create', '--ou', 'one', '--name', 'x', '--expires', '0d'], '--expires must be'],
    [['create', '--ou', 'one', '--name', 'x', '--expires', '999999999d'], '--expires must be'],
    [['create', '--ou', 'one', '--name', 'x', '--rate', '0'], '--rate must be'],
    [['create', '--ou', 'one', '--name', 'x', '--rate', '1.5'], '--rate must be'],
    [['list', '--role', 'read'], '--role does not go with list'],
    [['list', '--name', 'x'], '--name does not go with list'],
    [['list', '--all'], '--all'],
    [['revoke'], 'the ID of a token is required'],
    [['revoke', 'tok-1', 'tok-2'], '"tok-2" is too much'],
    [['revoke', 'tok-1', '--ou', 'one'], '--ou does not go with revoke'],
  ])('answers %j with exit code 2, what is wrong, and the usage', async (args, message) => {
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(message);
    expect(err).toContain('npm run tokens -- create');
  });

  it('explains itself when asked', async () => {
    for (const args of [['--help'], ['-h'], ['help']]) {
      const { code, out } = await run(...args);
      expect(code).toBe(0);
      expect(out).toContain('npm run tokens -- revoke ID');
    }
  });
});

describe('npm run tokens beside a running server', () => {
  const project = resolve(import.meta.dirname, '../../..');
  // Inside the project, so that the compiled command finds its packages and the default configuration.
  const buildDir = join(project, 'dist', `tokens-command-${process.pid}`);
  const execute = promisify(execFile);

  const build = async () => {
    mkdirSync(buildDir, { recursive: true });
    const config = {
      extends: join(project, 'tsconfig.json'),
      compilerOptions: {
        rootDir: project,
        outDir: buildDir,
        incremental: false,
        tsBuildInfoFile: null,
        noCheck: true,
      },
      files: [join(project, 'src/cli/tokens.ts')],
      include: [],
    };
    writeFileSync(join(buildDir, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(project, 'node_modules/typescript/bin/tsc');
    await execute(process.execPath, [compiler, '-p', join(buildDir, 'tsconfig.json')]);
  };
  const run = async (...args: string[]) => {
    const env = { ...process.env, DATA_DIR: dataDir };
    const command = join(buildDir, 'src/cli/tokens.js');
    return (await execute(process.execPath, [command, ...args], { env, cwd: dataDir })).stdout.trim();
  };

  it('creates a token that the server takes at once, and revokes it at once', async () => {
    try {
      await build();
      const { call } = startApi({ tokens: openTokenStore(environment) });
      expect((await call('GET', '/sequences', { token: 'st_none' })).status).toBe(401);
      const token = await run('create', '--ou', 'one', '--name', 'from another process');
      expect((await call('GET', '/sequences', { token })).status).toBe(200);
      const [id = ''] = (await run('list')).split('\t');
      await run('revoke', id);
      expect((await call('GET', '/sequences', { token })).status).toBe(401);
      await expect(run('revoke', id)).rejects.toMatchObject({ code: 1 });
      await expect(run('nonsense')).rejects.toMatchObject({ code: 2 });
    } finally {
      rmSync(buildDir, { recursive: true, force: true });
    }
  });
});
