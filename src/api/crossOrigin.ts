import type { MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { ApiEnv } from './request.ts';

const PREFLIGHT_SECONDS_MAX = 600;

/** Lets pages of these origins call the API from a browser. A preflight, which carries no token, is answered here. */
export function allowOrigins(origins: readonly string[]): MiddlewareHandler<ApiEnv> {
  const withHeaders = cors({
    origin: [...origins],
    allowMethods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
      'if-none-match',
      'x-request-id',
    ],
    exposeHeaders: [
      'allow',
      'etag',
      'idempotency-replayed',
      'location',
      'ratelimit',
      'ratelimit-policy',
      'retry-after',
      'www-authenticate',
      'x-request-id',
    ],
    maxAge: PREFLIGHT_SECONDS_MAX,
  });
  return (context, next) => {
    const { method } = context.req;
    const isPreflight = context.req.header('access-control-request-method') !== undefined;
    // Other OPTIONS are answered as without origins.
    return method === 'OPTIONS' && !isPreflight ? next() : withHeaders(context, next);
  };
}
