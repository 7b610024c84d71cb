import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/nats.ts';
import { startProgram, TOKEN, temporaryDataDir } from '../../support/program.ts';

const MAIN = fileURLToPath(new URL('../../../dist/src/main.js', import.meta.url));

let dataDir: ReturnType<typeof temporaryDataDir>;

beforeEach(() => {
  dataDir = temporaryDataDir();
});

afterEach(() => {
  dataDir.remove();
});

/** Runs the program until it ends by itself, or is sent the signal once it has printed what is awaited. */
async function run(env: Record<string, string>, until?: { output: RegExp; signal: NodeJS.Signals }) {
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      NATS_SERVER_BIN: process.env.NATS_SERVER_BIN,
      DATA_DIR: dataDir.path,
      HTTP_PORT: '0',
      LOG_FORMAT: 'json',
      ...env,
    },
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = once(child, 'exit');
  if (until !== undefined) {
    await waitFor(`${until.output}`, () => until.output.test(output));
    child.kill(until.signal);
  }
  const [code] = await exited;
  return { code: code as number | null, output };
}

const TOKEN_LINE = /^API token for OU default.*: (st_\S+)$/m;

describe('a start', () => {
  it('prints the first token once: not on a start that fails, and on no later one', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const failed = await run({ HTTP_PORT: String((taken.address() as AddressInfo).port) });
    taken.close();
    expect(failed.code).toBe(1);
    expect(failed.output).toMatch(/^sequence-triggers: cannot listen on/m);
    expect(failed.output).not.toMatch(TOKEN_LINE);
    const first = await run({}, { output: TOKEN_LINE, signal: 'SIGTERM' });
    expect(first.code).toBe(0);
    const second = await run({}, { output: /found the stream/, signal: 'SIGTERM' });
    expect(second.output).not.toMatch(TOKEN_LINE);
  });

  it('on a directory that another program works on is refused before anything is opened or sent', async () => {
    const first = await startProgram({ dataDir: dataDir.path });
    const second = await run({});
    expect(second.code).toBe(1);
    expect(second.output).toContain(`DATA_DIR is in use: process ${first.process.pid}`);
    expect(second.output).not.toContain('outbox started');
    expect(await first.stop()).toBe(0);
  });

  it.each([
    [
      'a data directory that cannot be made',
      { DATA_DIR: '/proc/no-such-place' },
      'DATA_DIR is "/proc/no-such-place"',
    ],
    ['the subject of the rejected events', { EVENTS_SUBJECT: 'rejected.>' }, 'EVENTS_SUBJECT'],
    ['an address that is not of this machine', { HTTP_HOST: '192.0.2.1' }, 'HTTP_HOST 192.0.2.1, HTTP_PORT'],
    [
      'credentials that cannot be read',
      { NATS_URL: 'nats://127.0.0.1:1', NATS_CREDS_FILE: '/nope' },
      'NATS_CREDS_FILE',
    ],
    ['a retry schedule with an empty entry', { RETRY_SCHEDULE: '0s,,5s' }, 'RETRY_SCHEDULE'],
  ])('with %s ends with one line', async (_what, env, named) => {
    const { code, output } = await run(env);
    expect(code).toBe(1);
    const lines = output
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{'));
    expect(lines.length).toBe(1);
    expect(lines[0]).toContain(named);
  });
});

describe('a stop', () => {
  it('by closing the terminal drains as Ctrl-C does', async () => {
    const { code, output } = await run({}, { output: /found the stream/, signal: 'SIGHUP' });
    expect(code).toBe(0);
    expect(output).toContain('"msg":"stopped"');
  });

  it('answers the requests that were sent before it', async () => {
    const program = await startProgram({ dataDir: dataDir.path });
    const events = Array.from({ length: 500 }, (_, index) => ({
      id: `e-${index}`,
      lead_id: 'l',
      event_type: 't',
    }));
    const requests = Array.from({ length: 20 }, () =>
      fetch(`${program.url}/ingest`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify({ events }),
      }).then((answer) => answer.status),
    );
    // They go to the stream one after the other, so most of them are under way when the first is answered.
    await Promise.race(requests);
    const stopped = program.stop();
    expect(new Set(await Promise.all(requests))).toEqual(new Set([202]));
    expect(await stopped).toBe(0);
  });
});
