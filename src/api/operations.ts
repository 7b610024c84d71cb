import { Hono } from 'hono';
import type { ApiPorts } from './ports.ts';
import type { ApiEnv } from './request.ts';

/** What orchestrators and monitoring ask, without a token: `/healthz`, `/readyz`, `/metrics`. */
export function operationRoutes({
  readiness,
  metrics,
}: Pick<ApiPorts, 'readiness' | 'metrics'>): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>();

  routes.get('/healthz', (context) => context.json({ status: 'ok' }));

  routes.get('/readyz', async (context) => {
    const { ready, reasons, details } = await readiness();
    return context.json({ ...details, ready, reasons }, ready ? 200 : 503);
  });

  routes.get('/metrics', async (context) => {
    const { contentType, body } = await metrics();
    return context.body(body, 200, { 'content-type': contentType });
  });

  return routes;
}
