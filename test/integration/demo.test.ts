import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { compiled } from '../support/compiled.ts';

const { runDemo } = await compiled<typeof import('../../src/cli/demoRun.ts')>('cli/demoRun');
const { ApiRefusal } = await compiled<typeof import('../../src/cli/demoClient.ts')>('cli/demoClient');

const directory = mkdtempSync(join(tmpdir(), 'demo-files-'));
// The demo makes its data directory where the system keeps temporary files: here, so that none is overlooked.
vi.stubEnv('TMPDIR', directory);
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function demoDirectories(): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('sequence-triggers-demo-'));
}

const never = new AbortController().signal;

describe('the demo', () => {
  it('shows webhooks and emails of made-up visitors, and drains when told to stop', {
    timeout: 60_000,
  }, async () => {
    const lines: string[] = [];
    const stop = new AbortController();
    const seen = (pattern: RegExp) => lines.some((line) => pattern.test(line));
    const print = (line: string): void => {
      lines.push(line);
      if (line.startsWith('Visitors come')) expect(demoDirectories()).toHaveLength(1);
      if (seen(/^webhook /) && seen(/^email /)) stop.abort();
    };
    const options = { mode: 'visitors', port: 0, seconds: 50, eventsPerSecond: 100 } as const;
    await runDemo(options, stop.signal, print);
    expect(lines.filter((line) => line.startsWith('Sequence "'))).toHaveLength(3);
    expect(
      seen(/^webhook {2}".+" {2}lead \w+: .+ \(signature verified, \d+ ms after the last event\)$/),
    ).toBe(true);
    expect(seen(/^email {4}".+" {2}to .*sales@example\.com/)).toBe(true);
    expect(seen(/^refused/)).toBe(false);
    expect(stop.signal.aborted).toBe(true);
    expect(lines.at(-1)).toSatisfy((line: string) => /^(Published|webhook|email)/.test(line));
    expect(demoDirectories()).toEqual([]);
  });

  it('runs a file of events through given sequences and ends with a table', { timeout: 60_000 }, async () => {
    const event = (lead: string, type: string, second: number) =>
      JSON.stringify({ lead_id: lead, event_type: type, created_at: new Date(second * 1_000).toISOString() });
    const events = file(
      'events.ndjson',
      [
        event('ada', 'look', 1),
        event('ada', 'buy', 2),
        event('ada', 'look', 3),
        event('ada', 'buy', 4),
        event('tim', 'buy', 1),
        event('tim', 'look', 2),
        '{"lead_id":',
      ].join('\n'),
    );
    const sequences = file(
      'sequences.json',
      JSON.stringify([
        { name: 'in order', event_types: ['look', 'buy'], window_seconds: 10, ordered: true },
        { name: 'in any order', event_types: ['look', 'buy'], window_seconds: 10 },
        { name: 'never', event_types: ['refund'], window_seconds: 10 },
      ]),
    );
    const lines: string[] = [];
    await runDemo({ mode: 'file', port: 0, events, sequences }, never, (line) => lines.push(line));
    expect(lines).toContain('Published 7 events; rejected: 1 not_json.');
    expect(lines.slice(-3).map((line) => line.trim().split(/\s{2,}/))).toEqual([
      ['in order', '2', '1'],
      ['in any order', '3', '2'],
      ['never', '0', '0'],
    ]);
    expect(lines.filter((line) => line.startsWith('webhook '))).toHaveLength(5);
  });

  it('looks for its files before it starts anything', async () => {
    const sequences = file('fine.json', '[{"name":"s","event_types":["a"],"window_seconds":1}]');
    for (const events of [join(directory, 'absent.ndjson'), directory]) {
      const lines: string[] = [];
      const run = runDemo({ mode: 'file', port: 0, events, sequences }, never, (line) => lines.push(line));
      await expect(run).rejects.toThrow(`${events} cannot be read (E`);
      expect(lines).toEqual([]);
    }
  });

  it('takes HTTP_PORT and DATA_DIR where they are set, and says so', { timeout: 60_000 }, async () => {
    const port = await freePort();
    const dataDir = join(directory, 'data');
    vi.stubEnv('HTTP_PORT', String(port));
    vi.stubEnv('DATA_DIR', dataDir);
    const lines: string[] = [];
    const options = { mode: 'visitors', port: null, seconds: 1, eventsPerSecond: 100 } as const;
    await runDemo(options, never, (line) => lines.push(line)).finally(() => {
      vi.stubEnv('HTTP_PORT', undefined);
      vi.stubEnv('DATA_DIR', undefined);
    });
    expect(lines[0]).toContain(`http://127.0.0.1:${port} `);
    expect(lines).toContain(`Data: ${dataDir} (DATA_DIR, which stays)`);
    expect(readdirSync(dataDir)).toContain('lmdb');
  });

  it('passes on what the API says about a wrong sequence, and leaves nothing behind', async () => {
    const sequences = file('wrong.json', '[{"name":"no steps"}]');
    const run = runDemo(
      { mode: 'file', port: 0, events: file('unread.ndjson', ''), sequences },
      never,
      () => undefined,
    );
    await expect(run).rejects.toThrow(ApiRefusal);
    await expect(run).rejects.toThrow(/event_types/);
    expect(demoDirectories()).toEqual([]);
  });
});
