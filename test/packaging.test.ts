import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** The instructions of the Dockerfile, continued lines joined, comments gone. */
const instructions = read('Dockerfile')
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '');

function argumentsOf(instruction: string): string[] {
  return instructions
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1).trim());
}

/** What each COPY takes from the project, as opposed to an earlier stage. */
const copied = argumentsOf('COPY')
  .filter((line) => !line.startsWith('--from'))
  .flatMap((line) => line.split(/\s+/).slice(0, -1));

describe('the Dockerfile', () => {
  it('copies only what exists and what .dockerignore lets through', () => {
    const letThrough = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.length).toBeGreaterThan(0);
    expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const isLetThrough = (path: string) =>
      letThrough.some((kept) => path === kept || path.startsWith(`./${kept}`) || path.startsWith(`${kept}/`));
    expect(copied.filter((path) => !isLetThrough(path))).toEqual([]);
  });

  it('runs as a plain user, with the data in a volume that this user owns', () => {
    expect(argumentsOf('USER')).toEqual(['node']);
    expect(argumentsOf('VOLUME')).toEqual(['/data']);
    expect(argumentsOf('ENV').join(' ')).toMatch(/\bHTTP_HOST=0\.0\.0\.0\b.*\bDATA_DIR=\/data\b/);
    expect(argumentsOf('RUN').join(' ')).toContain('install -d -o node -g node /data');
  });

  it('checks its health with node, and stops by the signal that drains', async () => {
    const [healthcheck] = argumentsOf('HEALTHCHECK');
    const command = JSON.parse(/CMD (\[.*\])/.exec(healthcheck ?? '')?.[1] ?? 'null') as string[];
    expect(command.slice(0, 2)).toEqual(['node', '-e']);
    expect(argumentsOf('STOPSIGNAL')).toEqual(['SIGTERM']);
    const health = { status: 200, paths: [] as (string | undefined)[] };
    const server = createServer((request, response) => {
      health.paths.push(request.url);
      response.writeHead(health.status).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const check = () =>
      new Promise<number | null>((resolve) => {
        const env = { ...process.env, HTTP_PORT: String(port) };
        spawn(process.execPath, command.slice(1), { env }).on('close', resolve);
      });
    expect(await check()).toBe(0);
    health.status = 503;
    expect(await check()).toBe(1);
    expect(health.paths).toEqual(['/healthz', '/healthz']);
    await new Promise((resolve) => server.close(resolve));
    expect(await check()).toBe(1);
  });

  it('starts the program itself, so that signals reach it, and as npm start does', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
    const [, command] = scripts.start.split(' exec ');
    expect(argumentsOf('CMD').map((json) => (JSON.parse(json) as string[]).join(' '))).toEqual([command]);
  });

  it('builds on the current LTS of Node, with a nats-server of the distribution', () => {
    expect(new Set(argumentsOf('FROM').map((line) => line.split(' ')[0]))).toEqual(
      new Set(['node:lts-slim']),
    );
    expect(argumentsOf('RUN').join(' ')).toMatch(/apt-get install .*\bnats-server\b/);
  });
});

describe('the npm scripts', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  it('set up a fresh clone first, then give way to the program', () => {
    expect(Object.keys(scripts).sort()).toEqual(
      [
        'backup',
        'bench',
        'demo',
        'format',
        'lint',
        'replay',
        'soak',
        'start',
        'test',
        'test:crash',
        'test:fuzz',
        'test:guards',
        'test:simulation',
        'tokens',
        'typecheck',
      ].sort(),
    );
    for (const script of Object.values(scripts)) {
      expect(script).toMatch(
        /^node src\/cli\/setup\.mjs( --no-build)? && (UV_THREADPOOL_SIZE=\d+ )?exec \S+/,
      );
    }
  });

  it('name programs whose source exists', () => {
    const programs = Object.values(scripts).flatMap((script) => /dist\/(\S+)\.js/.exec(script)?.[1] ?? []);
    expect(programs.length).toBeGreaterThan(0);
    expect(programs.filter((program) => !existsSync(join(root, `${program}.ts`)))).toEqual([]);
  });
});
