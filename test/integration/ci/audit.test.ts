import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
let registry: Server | undefined;
let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'sequence-triggers-npm-'));
});

afterEach(() => {
  registry?.closeAllConnections();
  registry?.close();
  rmSync(cache, { recursive: true, force: true });
});

/** Runs the audit with npm against a registry that answers so. */
async function audit(answer: RequestListener, timeoutMs = 20_000) {
  registry = createServer(answer);
  await new Promise<void>((resolve) => registry?.listen(0, '127.0.0.1', resolve));
  const { port } = registry.address() as AddressInfo;
  const child = spawn(process.execPath, [join('.ci', 'audit.mjs'), '--timeout-ms', String(timeoutMs)], {
    cwd: ROOT,
    env: { ...process.env, npm_config_registry: `http://127.0.0.1:${port}/`, npm_config_cache: cache },
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code] = await once(child, 'close');
  return { code: code as number, output };
}

/** Advisories of one package, of every version; everything else that npm asks for is absent. */
function advisories(severity: string | null): RequestListener {
  return (request, response) => {
    request.resume();
    const isBulk = request.url?.endsWith('/security/advisories/bulk') === true;
    const advisory = {
      id: 1,
      url: 'https://example.com/1',
      title: 'a hole',
      severity,
      vulnerable_versions: '*',
    };
    const body = isBulk ? JSON.stringify(severity === null ? {} : { zod: [advisory] }) : '{}';
    response.writeHead(isBulk ? 200 : 404, { 'content-type': 'application/json' }).end(body);
  };
}

/** npm alone takes seconds to start where the machine is busy. */
const TIMEOUT_MS = 60_000;

describe('the audit of production packages', { timeout: TIMEOUT_MS }, () => {
  it.each(['high', 'critical'])('fails on one that is %s, and names it', async (severity) => {
    const { code, output } = await audit(advisories(severity));
    expect([code, output]).toEqual([
      1,
      expect.stringContaining(`audit: zod is ${severity}: https://example.com/1\n`),
    ]);
  });

  it.each([
    ['what is moderate', 'moderate', 1],
    ['nothing', null, 0],
  ])('passes on %s', async (_what, severity, count) => {
    expect(await audit(advisories(severity))).toEqual({
      code: 0,
      output: `audit: vulnerable packages in production: ${count}, high or critical: 0\n`,
    });
  });

  it.each<[string, RequestListener]>([
    ['has no such endpoint', (_request, response) => response.writeHead(405).end()],
    ['does not answer', () => {}],
    ['answers with something else', (_request, response) => response.end('<html>')],
  ])('says so and passes where the registry %s', async (_what, answer) => {
    expect(await audit(answer, 3_000)).toEqual({
      code: 0,
      output: 'audit: the registry gave no answer, so nothing is known of vulnerabilities\n',
    });
  });
});
