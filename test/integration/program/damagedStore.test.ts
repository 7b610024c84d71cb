import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openEnvironment, packRow } from '../../../src/store/environment.ts';
import { startNats, waitFor } from '../../support/nats.ts';
import { runToEnd, startProgram, TOKEN, temporaryDataDir } from '../../support/program.ts';

const LEADS = 300;

let dataDir: ReturnType<typeof temporaryDataDir>;
let file: string;
let sound: Buffer;

beforeAll(async () => {
  dataDir = temporaryDataDir();
  file = join(dataDir.path, 'lmdb', 'data.mdb');
  const nats = await startNats();
  const program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
  const sequence = { name: 'two steps', event_types: ['a', 'b'], window_seconds: 60, ordered: true };
  await program.call('POST', '/sequences', sequence);
  const events = Array.from({ length: LEADS }, (_, lead) => ({ lead_id: `lead-${lead}`, event_type: 'a' }));
  await program.call('POST', '/ingest', { events });
  await waitFor('the leads', async () =>
    (await (await fetch(`${program.url}/metrics`)).text()).includes(`sequence_triggers_leads ${LEADS}\n`),
  );
  await program.stop();
  await nats.stop();
  sound = readFileSync(file);
});

afterAll(() => dataDir.remove());

beforeEach(() => writeFileSync(file, sound));

/** Starts on what lies there now; gives the one line, and checks that the file is left alone. */
async function refusal(): Promise<string> {
  const before = readFileSync(file);
  const { code, lines } = await runToEnd({
    dataDir: dataDir.path,
    env: { NATS_URL: 'nats://127.0.0.1:1', API_TOKENS: `default=${TOKEN}` },
  });
  expect(code).toBe(1);
  expect(lines.length).toBe(1);
  expect(readFileSync(file).equals(before)).toBe(true);
  return lines[0]!;
}

describe('a start on a damaged store is refused in one line, and changes nothing: the file', () => {
  it('was cut off', async () => {
    truncateSync(file, Math.floor(sound.length / 2));
    const line = await refusal();
    expect(line).toContain(`${file} is damaged: it ends before page`);
    expect(line).toContain('put a backup in its place');
  });

  it('was cut off in its header', async () => {
    truncateSync(file, 100);
    expect(await refusal()).toContain(`${file} was never completed`);
  });

  it('has another header', async () => {
    writeFileSync(file, Buffer.concat([Buffer.alloc(4096, 7), sound.subarray(4096)]));
    expect(await refusal()).toContain(`${file} is damaged: its header is not that of a store`);
  });

  it('has other bytes in its midst', async () => {
    const pages = sound.length / 4096;
    const damaged = Buffer.from(sound).fill(9, 3 * 4096, Math.floor(pages * 0.9) * 4096);
    writeFileSync(file, damaged);
    expect(await refusal()).toMatch(/is damaged: page \d+ holds something else/);
  });
});

describe('a start on a store that this program cannot read is refused in one line: it holds', () => {
  async function change(make: (environment: ReturnType<typeof openEnvironment>) => void): Promise<void> {
    const environment = openEnvironment(dataDir.path);
    make(environment);
    await environment.close();
  }

  it('the layout of a newer program', async () => {
    await change((environment) => environment.table('meta').putSync(['layout'], packRow(1, 99)));
    expect(await refusal()).toMatch(/DATA_DIR .* cannot be used: .*layout 99; this program reads up to 1/);
  });

  it('a checkpoint that is no row', async () => {
    await change((environment) => environment.table('meta').putSync(['checkpoint'], Buffer.from([1, 0xc1])));
    expect(await refusal()).toContain('the checkpoint cannot be read');
  });

  it('a lead state of a newer version, whose lead is named', async () => {
    await change((environment) => {
      const leads = environment.bytesTable('leads');
      const [entry] = leads.getRange({ limit: 1 });
      leads.putSync(Buffer.from(entry!.key), Buffer.from([99, 1, 2, 3]));
    });
    expect(await refusal()).toMatch(/the state of lead "lead-\d+" of OU default cannot be read: .*99/);
  });
});
