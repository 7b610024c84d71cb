import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unread } from '../../../src/model/checkpoint.ts';
import { openConnection } from '../../../src/stream/connection.ts';
import { inspectProcess } from '../../../src/stream/orphan.ts';
import { openStreamRoom } from '../../../src/stream/room.ts';
import { type EmbeddedServer, serverUrlPath, startEmbeddedServer } from '../../../src/stream/server.ts';
import { findServerBinary } from '../../../src/stream/serverBinary.ts';
import {
  natsServerBinary,
  recordingLogger,
  startNats,
  temporaryDirectory,
  waitFor,
} from '../../support/nats.ts';

let dataDir: string;
let logger: ReturnType<typeof recordingLogger>;
const servers: EmbeddedServer[] = [];

beforeEach(async () => {
  dataDir = await temporaryDirectory('server');
  logger = recordingLogger();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(dataDir, { recursive: true, force: true });
});

async function start(port = 0): Promise<EmbeddedServer> {
  const server = await startEmbeddedServer({ binary: natsServerBinary(), dataDir, port }, logger);
  servers.push(server);
  return server;
}

async function storeMessage(url: string): Promise<void> {
  const nats = await connect({ servers: url });
  const manager = await nats.jetstreamManager();
  await manager.streams.add({ name: 'KEPT', subjects: ['kept.>'] });
  await nats.jetstream().publish('kept.a', 'x');
  await nats.close();
}

async function storedMessages(url: string): Promise<number> {
  const nats = await connect({ servers: url });
  try {
    return (await (await nats.jetstreamManager()).streams.info('KEPT')).state.messages;
  } finally {
    await nats.close();
  }
}

describe('the embedded server', () => {
  it('has half of the processors, four at most, and nothing of our environment, which holds secrets', async () => {
    const { pid } = await start();
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    const processors = Math.min(4, Math.max(1, Math.floor(availableParallelism() / 2)));
    expect(environment.split('\0').filter(Boolean)).toEqual([`GOMAXPROCS=${processors}`]);
  });

  it('listens on the loopback address, takes messages above 1 MiB, and tells other commands its URL', async () => {
    const server = await start();
    expect(server.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect((await readFile(serverUrlPath(dataDir), 'utf8')).trim()).toBe(server.url);
    const nats = await connect({ servers: server.url });
    expect(nats.info?.max_payload).toBeGreaterThanOrEqual(2 * 2 ** 20);
    expect(nats.info?.host).toBe('127.0.0.1');
    await nats.close();
  });

  it('keeps its messages over a stop and a start, and is gone in between', async () => {
    const first = await start();
    const { pid } = first;
    await storeMessage(first.url);
    await first.close();
    expect(await inspectProcess(pid ?? 0)).toBeUndefined();
    expect(first.state.ready).toBe(false);
    const second = await start();
    expect(await storedMessages(second.url)).toBe(1);
  });

  it('is started again on the same port when it dies', async () => {
    const server = await start();
    const { url, pid } = server;
    await storeMessage(url);
    process.kill(pid ?? 0, 'SIGKILL');
    await waitFor('another process', () => server.state.ready && server.pid !== pid);
    expect(server.url).toBe(url);
    expect(await storedMessages(url)).toBe(1);
  });

  it('has a process group of its own, so that a Ctrl-C in the terminal does not reach it', async () => {
    const server = await start();
    const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8');
    const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    expect(Number(group)).toBe(server.pid);
  });

  it('refuses a second start on the same data directory while the first lives', async () => {
    await start();
    await expect(start()).rejects.toThrow(/DATA_DIR is in use/);
  });

  it('says why it cannot start, in the words of the server', async () => {
    const other = await startNats();
    try {
      await expect(start(other.port)).rejects.toThrow(/nats-server did not start: .*address already in use/);
    } finally {
      await other.stop();
    }
  });

  it('is ended at the next start when its owner was killed', async () => {
    // A program in between that starts the server as we do and is killed before it can stop it.
    const binary = natsServerBinary();
    const configPath = join(dataDir, 'nats', 'server.conf');
    const first = await start();
    await storeMessage(first.url);
    await first.close();
    const script = `
      const { spawn } = require('node:child_process');
      const args = ['--config', ${JSON.stringify(configPath)}, '--name', 'sequence-triggers-' + process.pid];
      spawn(${JSON.stringify(binary)}, args, { detached: true, stdio: 'ignore' });
      setInterval(() => undefined, 1000);`;
    const owner = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    const pidPath = join(dataDir, 'nats', 'server.pid');
    const readPid = async () => Number(await readFile(pidPath, 'utf8'));
    const orphan = await waitFor('the process id', async () => {
      const pid = await readPid();
      return (await inspectProcess(pid))?.parentPid === owner.pid && pid;
    });
    await expect(start()).rejects.toThrow(`belongs to the running process ${owner.pid}`);

    const ownerGone = new Promise((resolve) => owner.once('exit', resolve));
    owner.kill('SIGKILL');
    await ownerGone;
    expect(await inspectProcess(orphan)).toBeDefined();
    const server = await start();
    expect(await inspectProcess(orphan)).toBeUndefined();
    expect(await storedMessages(server.url)).toBe(1);
  });

  it('leaves a process alone that merely got the id of an earlier server', async () => {
    await mkdir(join(dataDir, 'nats'), { recursive: true });
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], {
      stdio: 'ignore',
    });
    await writeFile(join(dataDir, 'nats', 'server.pid'), String(bystander.pid));
    await start();
    expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    bystander.kill('SIGKILL');
  });
});

describe('finding the nats-server', () => {
  async function program(name: string, script: string): Promise<string> {
    const path = join(dataDir, name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  }

  it('takes the one named, else the one on PATH', async () => {
    const path = await program('nats-server', 'exit 0');
    expect(await findServerBinary({ binary: path, path: '' }, logger)).toBe(path);
    expect(await findServerBinary({ path: `/nowhere:${dataDir}`, moreDirectories: [] }, logger)).toBe(path);
  });

  it('installs it with apt-get where there is none', async () => {
    const target = join(dataDir, 'nats-server');
    await program(
      'apt-get',
      `[ "$1" = install ] && echo '#!/bin/sh' > ${target} && /bin/chmod +x ${target}; exit 0`,
    );
    expect(await findServerBinary({ path: dataDir, moreDirectories: [] }, logger)).toBe(target);
  });

  it('says what to install where nothing helps', async () => {
    const nowhere = { path: '/nowhere', moreDirectories: [] };
    await expect(findServerBinary(nowhere, logger)).rejects.toThrow(/Install nats-server 2\.9\.10 or later/);
    await program('apt-get', 'echo "are you root?" >&2; exit 100');
    const refused = { path: dataDir, moreDirectories: [] };
    await expect(findServerBinary(refused, logger)).rejects.toThrow(/are you root\?.*or set NATS_SERVER_BIN/);
    const wrong = { binary: '/nowhere/nats-server', path: dataDir };
    await expect(findServerBinary(wrong, logger)).rejects.toThrow(/NATS_SERVER_BIN is \/nowhere/);
  });
});

describe('the connection', () => {
  it('gives up after the attempts it may make, without repeating a password', async () => {
    const settings = { url: 'nats://user:secret@127.0.0.1:1', name: 'test', attemptsMax: 2 };
    await expect(openConnection(settings, logger)).rejects.toThrow(
      /^cannot connect to NATS at 127\.0\.0\.1:1: /,
    );
    expect(JSON.stringify(logger.entries)).not.toContain('secret');
  });

  it('ends its attempts when it is told to', async () => {
    const abort = new AbortController();
    const opening = openConnection({ url: 'nats://127.0.0.1:1', name: 'test', signal: abort.signal }, logger);
    const outcome = expect(opening).rejects.toThrow();
    await waitFor('an attempt', () => logger.entries.length > 0);
    abort.abort();
    await outcome;
  });

  it('tells when it is lost and when it is back', async () => {
    const server = await startNats();
    const connection = await openConnection({ url: server.url, name: 'test' }, logger);
    expect(connection.state).toEqual({ ready: true });
    await server.kill();
    await waitFor('the loss', () => !connection.state.ready);
    await server.start();
    await waitFor('the return', () => connection.state.ready);
    await connection.close();
    expect(connection.state.ready).toBe(false);
    await server.stop();
  });
});

describe('the stream room', () => {
  it('brings up the server, the streams and the feed, and takes all of them down', async () => {
    const room = await openStreamRoom(
      {
        natsUrl: null,
        natsCredsFile: null,
        natsToken: null,
        natsPort: 0,
        natsServerBin: natsServerBinary(),
        path: '',
        dataDir,
        eventsStream: 'EVENTS',
        eventsSubject: 'events.>',
        eventsMaxAgeMs: 3_600_000,
      },
      logger,
    );
    expect(room.state.ready).toBe(false);
    const start = await room.reconcile(null, 'halt');
    expect(start).toMatchObject({ proceed: true, verdict: { outcome: 'fresh' }, startSequence: 1 });
    const types: string[] = [];
    room.feed.start(unread(room.streams.events), async (group) => {
      for (const { decoded } of group) if ('event' in decoded) types.push(decoded.event.type);
    });
    await room.publisher.publish('default', [{ id: 'e', leadId: 'l', eventType: 'signup' }]);
    await waitFor('the event', () => types.length === 1);
    expect(room.state).toEqual({ ready: true });
    const pid = Number(await readFile(join(dataDir, 'nats', 'server.pid'), 'utf8'));
    await room.close();
    expect(await inspectProcess(pid)).toBeUndefined();
  });
});
