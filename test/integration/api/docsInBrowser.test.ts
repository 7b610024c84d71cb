import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../../src/api/app.ts';
import { type HttpServer, serveHttp } from '../../../src/api/server.ts';
import { memoryPorts } from '../../support/api.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const executable = (process.env.PATH ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((path) => existsSync(path));

const reason = executable === undefined ? ' (skipped: no chromium on the PATH)' : '';

describe.skipIf(executable === undefined)(`/docs in a browser${reason}`, () => {
  let server: HttpServer;
  let browser: Awaited<ReturnType<typeof chromium.launch>>;

  beforeAll(async () => {
    server = await serveHttp(createApp(memoryPorts().ports), '127.0.0.1', 0);
    browser = await chromium.launch({ executablePath: executable ?? '', args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  it('asks nothing of any other host, and is shown with its style and without complaint', async () => {
    const page = await browser.newPage();
    const requested: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requested.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    const base = `http://127.0.0.1:${server.port}`;
    await page.goto(`${base}/docs`, { waitUntil: 'networkidle' });
    for (const details of await page.locator('details').all()) await details.locator('summary').click();
    await page.getByRole('link', { name: 'POST /ingest' }).click();
    await page.waitForLoadState('networkidle');

    expect([...new Set(requested.map((url) => new URL(url).origin))]).toEqual([base]);
    expect(requested).toContain(`${base}/docs/style.css`);
    expect(complaints).toEqual([]);
    expect(await page.title()).toBe('sequence-triggers: HTTP API');
    expect(await page.locator('article').count()).toBeGreaterThan(20);
    expect(await page.evaluate('getComputedStyle(document.body).display')).toBe('grid');
    expect(await page.locator('#ingestEvents').isVisible()).toBe(true);
  });
});
