import { describe, expect, it } from 'vitest';
import { startDocumentedApi } from '../../support/openapi.ts';

async function page() {
  const api = await startDocumentedApi();
  const answer = await api.call('GET', '/docs', { token: null });
  return { ...api, answer, html: answer.text };
}

/** The text of a page as a reader sees it. */
function textOf(html: string): string {
  return html
    .replace(/<[^>]*>/g, ' ')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
}

describe('/docs', () => {
  it('is a page without a token, which may load a style from here and nothing else', async () => {
    const { answer } = await page();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    const policy = answer.headers.get('content-security-policy')?.split('; ');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    const sources = policy?.flatMap((directive) => directive.split(' ').slice(1)) ?? [];
    expect([...new Set(sources)].sort()).toEqual(["'none'", "'self'"]);
  });

  it('names nothing to load but its style, which names nothing to load', async () => {
    const { html, call } = await page();
    expect(html).not.toMatch(/<(script|img|iframe|link(?! rel="stylesheet"))|\ssrc=|\sstyle=|\son\w+=/);
    const loaded = [...html.matchAll(/<link[^>]*href="([^"]*)"/g)].map((match) => match[1]);
    expect(loaded).toEqual(['/docs/style.css']);
    const style = await call('GET', '/docs/style.css', { token: null });
    expect([style.status, style.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8']);
    expect(style.text).toContain('nav {');
    expect(style.text).not.toMatch(/url\(|@import|@font-face/);
  });

  it('shows every operation of the document, with a request to copy, its body and its statuses', async () => {
    const { html, operations } = await page();
    for (const { method, path, operation } of operations) {
      const article = new RegExp(`<article id="${operation.operationId}">(.*?)</article>`, 's').exec(
        html,
      )?.[1];
      const text = textOf(article ?? '');
      expect(text).toContain(`${method.toUpperCase()}`);
      expect(text).toContain(path);
      expect(text).toContain(operation.summary);
      expect(text).toContain('curl -s');
      expect(text.includes('$TOKEN')).toBe(operation.security?.length !== 0);
      for (const status of Object.keys(operation.responses)) expect(text).toContain(`${status} `);
      for (const { name } of operation.parameters.filter((each) => each.in === 'query')) {
        expect(text).toContain(name);
      }
      const body = operation.requestBody?.content['application/json'];
      expect(text.includes('-d ')).toBe(body?.example !== undefined);
      for (const name of Object.keys(body?.schema.properties ?? {})) expect(text).toContain(name);
    }
  });

  it('says what fields may be, also inside lists and where null is allowed', async () => {
    const text = textOf((await page()).html).replace(/\s+/g, ' ');
    expect(text).toContain('window_seconds integer, 1 to 31536000, required From the first');
    expect(text).toContain('event_types array, 1 to 20, required The steps');
    expect(text).toContain('emails array, 0 to 20 or null The recipients');
    expect(text).toContain('refire.mode string, required "every" · "once_per_lead" · "cooldown"');
    expect(text).toContain('email_subject string or null A string of up to 200 characters');
    expect(text).toContain('limit integer, 1 to 100 default 25');
    expect(text).toContain('events[].lead_id string, required');
    expect(text).toContain('deliveries[].state string, required "pending"');
    expect(text).toContain('webhook-signature v1, and the HMAC-SHA256');
  });

  it('has a place for each of its links, and no two of one name', async () => {
    const { html } = await page();
    const places = [...html.matchAll(/ id="([^"]*)"/g)].map((match) => match[1]);
    expect(new Set(places).size).toBe(places.length);
    const links = [...html.matchAll(/href="#([^"]*)"/g)].map((match) => match[1]);
    expect(links.length).toBeGreaterThan(20);
    expect(links.filter((link) => !places.includes(link))).toEqual([]);
  });
});
