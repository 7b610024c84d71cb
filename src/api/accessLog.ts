import { randomUUID } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import { rateHeadersOf } from './auth.ts';
import type { ApiPorts } from './ports.ts';
import { COMMON_HEADERS } from './problem.ts';
import type { ApiContext, ApiEnv } from './request.ts';

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Gives every request an id, the client's where it is sane, and every answer the headers that each has. */
export const identify: MiddlewareHandler<ApiEnv> = async (context, next) => {
  const given = context.req.header('x-request-id') ?? '';
  // The router runs this twice for the path `/*`, which it takes for its own pattern too.
  const requestId = context.var.requestId ?? (REQUEST_ID.test(given) ? given : randomUUID());
  context.set('requestId', requestId);
  await next();
  const headers = { ...COMMON_HEADERS, 'x-request-id': requestId, ...rateHeadersOf(context) };
  // Not by `context.header`, which makes the answer anew each time, and a stream of its body.
  for (const [name, value] of Object.entries(headers)) context.res.headers.set(name, value);
};

/**
 * One line per request, without query, headers, body or token, where secrets would be, and without ids of the path.
 * What changed something or was refused is worth a line at `info`; what is asked many times a second is not.
 */
export function logRequests({
  logger,
  nowMs,
}: Pick<ApiPorts, 'logger' | 'nowMs'>): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const startedAtMs = nowMs();
    await next();
    const { ou, owner, requestId, answerBytes } = context.var;
    const fields = {
      method: context.req.method,
      route: patternOf(context),
      status: context.res.status,
      durationMs: nowMs() - startedAtMs,
      bytes: answerBytes,
      ou,
      tokenId: owner?.id,
      requestId,
    };
    logger[levelOf(context)](fields, 'request');
  };
}

/** The path as the routes have it; null where there is none. */
export function patternOf(context: ApiContext): string | null {
  const path = matchedRoutes(context).findLast(({ method }) => method !== 'ALL')?.path;
  return path?.replace(/:(\w+)/g, '{$1}') ?? null;
}

/** Requests without a good token, above the rate, of reading and of sending events may come by the thousand. */
function levelOf(context: ApiContext): 'debug' | 'info' {
  const { status } = context.res;
  if (context.var.owner === undefined || status === 429) return 'debug';
  if (status >= 400) return 'info';
  return /^(GET|HEAD|OPTIONS)$/.test(context.req.method) || patternOf(context) === '/ingest'
    ? 'debug'
    : 'info';
}
