import { plainRoute, type Route, route } from './endpoint.ts';
import { healthz, metricsText, readyz } from './operationContract.ts';
import type { ApiPorts } from './ports.ts';

/** What orchestrators and monitoring ask, without a token: `/healthz`, `/readyz`, `/metrics`. */
export function operationRoutes({
  readiness,
  metrics,
}: Pick<ApiPorts, 'readiness' | 'metrics'>): readonly Route[] {
  return [
    route(healthz, () => ({ status: 'ok' as const })),

    plainRoute(readyz, async (context) => {
      const { ready, reasons, details } = await readiness();
      return context.json({ ...details, ready, reasons }, ready ? 200 : 503);
    }),

    plainRoute(metricsText, async (context) => {
      const { contentType, body } = await metrics();
      return context.body(body, 200, { 'content-type': contentType });
    }),
  ];
}
