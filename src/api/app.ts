import { Hono, type MiddlewareHandler } from 'hono';
import { authenticate } from './auth.ts';
import { deliveryRoutes } from './deliveries.ts';
import { ingestRoutes } from './ingest.ts';
import { operationRoutes } from './operations.ts';
import type { ApiPorts, LoggerPort } from './ports.ts';
import { COMMON_HEADERS, Problem, problemResponse } from './problem.ts';
import { rejectedEventRoutes } from './rejectedEvents.ts';
import type { ApiContext, ApiEnv } from './request.ts';
import { sequenceEventRoutes } from './sequenceEvents.ts';
import { sequenceRoutes } from './sequences.ts';

/** The HTTP API as a Hono app; it listens nowhere (see `serveHttp`). Every answer other than success is a Problem. */
export function createApp(ports: ApiPorts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.use(logRequests(ports), setCommonHeaders);

  const resources: Readonly<Record<string, Hono<ApiEnv>>> = {
    '/sequences': sequenceRoutes(ports),
    '/ingest': ingestRoutes(ports),
    '/sequence-events': sequenceEventRoutes(ports),
    '/deliveries': deliveryRoutes(ports),
    '/rejected-events': rejectedEventRoutes(ports),
  };
  for (const [path, routes] of Object.entries(resources)) {
    app.use(`${path}/*`, authenticate(ports.tokens));
    app.route(path, routes);
  }
  app.route('/', operationRoutes(ports));

  app.notFound((context) => problemResponse(unrouted(app, context)));
  app.onError((error, context) => problemResponse(toProblem(error, context, ports.logger)));
  return app;
}

/** The error mapper: a Problem is an answer; everything else is a bug or broken I/O, logged and not shown. */
function toProblem(error: Error, context: ApiContext, logger: LoggerPort): Problem {
  if (error instanceof Problem) return error;
  const { method, path } = context.req;
  logger.error({ err: error, method, path }, 'a request failed unexpectedly');
  return new Problem(500, 'Something went wrong on our side; it has been logged.');
}

/** A path that exists answers 405 with what is allowed there; any other is absent. */
function unrouted(app: Hono<ApiEnv>, context: ApiContext): Problem {
  const methods = allowedMethods(app, context.req.path);
  if (methods.length === 0) return new Problem(404, 'There is nothing at this path.');
  const allow = methods.join(', ');
  return new Problem(405, `${context.req.method} is not possible here; allowed: ${allow}.`, {
    headers: { allow },
  });
}

function allowedMethods(app: Hono<ApiEnv>, path: string): readonly string[] {
  const methods = app.routes
    .filter((route) => route.method !== 'ALL' && matches(route.path, path))
    .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  return [...new Set(methods)];
}

function matches(pattern: string, path: string): boolean {
  const expected = pattern.split('/');
  const actual = path.split('/');
  return (
    expected.length === actual.length &&
    expected.every((part, index) => (part.startsWith(':') ? actual[index] !== '' : part === actual[index]))
  );
}

const setCommonHeaders: MiddlewareHandler<ApiEnv> = async (context, next) => {
  await next();
  for (const [name, value] of Object.entries(COMMON_HEADERS)) context.header(name, value);
};

/** One line per request, without query, headers or body, where secrets would be. */
function logRequests({ logger, nowMs }: Pick<ApiPorts, 'logger' | 'nowMs'>): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const startedAtMs = nowMs();
    await next();
    const { method, path } = context.req;
    const fields = { method, path, status: context.res.status, durationMs: nowMs() - startedAtMs };
    logger.debug({ ...fields, ou: context.var.ou }, 'request');
  };
}
