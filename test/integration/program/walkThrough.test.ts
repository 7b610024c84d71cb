import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../support/freePort.ts';
import { waitFor } from '../../support/nats.ts';
import { type RunningProgram, startProgram, TOKEN, temporaryDataDir } from '../../support/program.ts';

const README = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');
const hasCurl = spawnSync('curl', ['--version']).status === 0;

/** The shell commands of the walk-through, as printed. */
function commands(): string[] {
  const section = README.slice(README.indexOf('## Walk-through'), README.indexOf('## What a match is'));
  return [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, command]) => command!.trim());
}

// The commands call curl, which a slim image may lack.
describe.skipIf(!hasCurl)('the walk-through of the README', () => {
  const dataDir = temporaryDataDir();
  let program: RunningProgram;
  let receiver: ChildProcess;
  let received = '';
  let run: (command: string) => string;

  beforeAll(async () => {
    const [start, receive] = commands();
    expect(start).toBe('WEBHOOK_ALLOW_CIDRS=127.0.0.0/8 npm start');
    // With the embedded server, as printed; only the ports are any free ones, since the usual may be taken.
    program = await startProgram({ dataDir: dataDir.path, env: { WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8' } });
    const receiverPort = await freePort();
    const withPorts = (command: string) =>
      command.replaceAll('http://127.0.0.1:8080', program.url).replaceAll('9000', String(receiverPort));
    run = (command) =>
      execFileSync('bash', ['-c', withPorts(command)], { env: { ...process.env, TOKEN }, encoding: 'utf8' });
    receiver = spawn('bash', ['-c', `exec ${withPorts(receive!)}`], { stdio: ['ignore', 'pipe', 'inherit'] });
    receiver.stdout!.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    await waitFor('the receiver', async () => (await fetch(`http://127.0.0.1:${receiverPort}`)).ok);
  });

  afterAll(async () => {
    receiver?.kill();
    await program?.stop();
    dataDir.remove();
  });

  it('ends with the fire on the receiver and in the history', async () => {
    const [, , create, simulate, ingest, history, funnel, why, ...others] = commands();
    expect(others).toEqual([]);
    const id = run(create!).trim();
    expect(id).toMatch(/^seq-[0-9a-f]+$/);
    const of = (command: string) => JSON.parse(run(`ID=${id}; ${command}`)) as Record<string, unknown>;
    expect(of(simulate!)).toMatchObject({ fire_count: 1, lead_count: 1, scanned_events: 3 });
    expect(of(ingest!)).toEqual({ accepted: 5, ids: ['e1', 'e2', 'e3', 'e4', 'e5'] });
    await waitFor('the webhook', () => /^fire-\S+ .*"lead_id":"ada"/m.test(received));
    await waitFor('the delivery in the history', () => {
      const { events } = of(history!) as { events: { delivery: string }[] };
      return events[0]?.delivery === 'delivered';
    });
    await waitFor('bob in the funnel', () => {
      const { steps } = of(funnel!) as { steps: { leads: number }[] };
      return steps.map(({ leads }) => leads).join() === '1,0,0';
    });
    expect(of(why!)).toMatchObject({ lead_id: 'bob', step: 1, missing: ['whitepaper', 'demo_request'] });
    expect(JSON.stringify(of(why!).reasons)).toMatch(/whitepaper/);
  });
});
