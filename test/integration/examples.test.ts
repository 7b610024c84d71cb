import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../support/freePort.ts';
import { waitFor } from '../support/nats.ts';
import { type RunningProgram, startProgram, TOKEN, temporaryDataDir } from '../support/program.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/typescript/', import.meta.url));
const dataDir = temporaryDataDir();
/** A copy, so that nothing is installed or built in the project itself. */
const directory = join(mkdtempSync(join(tmpdir(), 'sequence-triggers-example-')), 'typescript');
let program: RunningProgram;
let receiver: ChildProcess | undefined;

function run(script: string, env: Readonly<Record<string, string>> = {}): string {
  const [command, ...rest] = script.split(' ');
  const all = { PATH: process.env.PATH, HOME: process.env.HOME, API_URL: program.url, TOKEN, ...env };
  return execFileSync(command!, rest, { cwd: directory, env: all, encoding: 'utf8' });
}

beforeAll(async () => {
  cpSync(EXAMPLE, directory, { recursive: true });
  rmSync(join(directory, 'node_modules'), { recursive: true, force: true });
  program = await startProgram({ dataDir: dataDir.path });
}, 60_000);

afterAll(async () => {
  receiver?.kill();
  await program?.stop();
  dataDir.remove();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

describe('the example in TypeScript', () => {
  it('is built with types from the document of the running program, as its README says', () => {
    const readme = readFileSync(join(EXAMPLE, 'README.md'), 'utf8');
    const commands = [...readme.matchAll(/^(npm [a-z -]+?) +#|^(npm run build)$/gm)].map(
      ([, first, second]) => first ?? second!,
    );
    expect(commands).toEqual(['npm ci', 'npm run types', 'npm run build', 'npm run client']);
    for (const command of commands.slice(0, 3))
      run(`${command} --prefer-offline`.replace(/(run \S+) .*/, '$1'));
  }, 120_000);

  it('makes its client go through the tour', () => {
    const lines = run('npm run --silent client').trim().split('\n');
    expect(lines).toEqual([
      'simulated: 1 fire',
      expect.stringMatching(/^created seq-[0-9a-f]+$/),
      'fired: grace',
      'funnel: 1 after step 1, 0 after step 2, 0 after step 3',
      expect.stringMatching(/^edsger: .*whitepaper/),
    ]);
  });

  it('makes its receiver verify a webhook, and tell of each once', async () => {
    const port = await freePort();
    const { webhook_secret, id } = await program.call<{ webhook_secret: string; id: string }>(
      'POST',
      '/sequences',
      {
        name: 'Greeted',
        event_types: ['hello'],
        window_seconds: 60,
        webhook_url: `http://127.0.0.1:${port}/`,
      },
    );
    let printed = '';
    const env = { PATH: process.env.PATH, WEBHOOK_SECRET: webhook_secret, RECEIVER_PORT: String(port) };
    receiver = spawn(process.execPath, [join(directory, 'dist', 'receiver.js')], { env });
    receiver.stdout!.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    await waitFor('the receiver', () => printed.includes('listening'));
    await program.call('POST', '/ingest', { id: 'h1', lead_id: 'ada', event_type: 'hello' });
    await waitFor('the fire', () => printed.includes('ada completed "Greeted": hello'));
    const path = `/deliveries?sequence_id=${id}`;
    const deliveries = async () =>
      (await program.call<{ deliveries: { id: string; state: string; attempts: number }[] }>('GET', path))
        .deliveries;
    await waitFor('the delivery', async () => (await deliveries())[0]?.state === 'delivered');
    await program.call('POST', `/deliveries/${(await deliveries())[0]!.id}/redeliver`);
    await waitFor('the second attempt', async () => (await deliveries())[0]?.attempts === 2);
    expect(printed.match(/completed/g)).toHaveLength(1);
    const forged = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: '{}',
      headers: { 'webhook-id': 'x', 'webhook-timestamp': '1', 'webhook-signature': 'v1,x' },
    });
    expect(forged.status).toBe(401);
  });
});
