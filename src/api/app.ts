import { Hono, type MiddlewareHandler } from 'hono';
import { authenticate } from './auth.ts';
import { deliveryRoutes } from './deliveries.ts';
import { destinationRoutes } from './destinations.ts';
import { documentRoutes } from './document.ts';
import type { Route } from './endpoint.ts';
import { ingestRoutes } from './ingest.ts';
import { insightRoutes } from './insights.ts';
import { milestoneEventRoutes } from './milestoneEvents.ts';
import { milestoneRoutes } from './milestones.ts';
import { operationRoutes } from './operations.ts';
import type { ApiPorts, LoggerPort } from './ports.ts';
import { COMMON_HEADERS, Problem, problemResponse } from './problem.ts';
import { redeliveryRoutes } from './redeliveries.ts';
import { rejectedEventRoutes } from './rejectedEvents.ts';
import type { ApiContext, ApiEnv } from './request.ts';
import { sequenceEventExportRoutes } from './sequenceEventExport.ts';
import { sequenceEventRoutes } from './sequenceEvents.ts';
import { sequenceRoutes } from './sequences.ts';
import { simulationRoutes } from './simulations.ts';

/** The HTTP API as a Hono app; it listens nowhere (see `serveHttp`). Every answer other than success is a Problem. */
export function createApp(ports: ApiPorts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.use(logRequests(ports), setCommonHeaders);

  const routes = routesOf(ports);
  for (const resource of privateResources(routes)) app.use(`/${resource}/*`, authenticate(ports.tokens));
  for (const { endpoint, handle } of routes) {
    app.on(endpoint.method.toUpperCase(), endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1'), handle);
  }

  app.notFound((context) => problemResponse(unrouted(app, context)));
  app.onError((error, context) => problemResponse(toProblem(error, context, ports.logger)));
  return app;
}

/** Everything that can be asked, in the order in which the document shows it. */
export function routesOf(ports: ApiPorts): readonly Route[] {
  const routes = [
    ...sequenceRoutes(ports),
    ...simulationRoutes(ports),
    ...insightRoutes(ports),
    ...milestoneRoutes(ports),
    ...ingestRoutes(ports),
    ...rejectedEventRoutes(ports),
    // Before the path with an id, which would take its name for one.
    ...sequenceEventExportRoutes(ports),
    ...sequenceEventRoutes(ports),
    ...milestoneEventRoutes(ports),
    ...deliveryRoutes(ports),
    ...redeliveryRoutes(ports),
    ...destinationRoutes(ports),
    ...operationRoutes(ports),
  ];
  return [...routes, ...documentRoutes(routes)];
}

/** The first parts of paths below which a token is asked for, also where there is nothing. */
function privateResources(routes: readonly Route[]): ReadonlySet<string | undefined> {
  const isPrivate = routes.filter(({ endpoint }) => endpoint.isPublic !== true);
  return new Set(isPrivate.map(({ endpoint }) => endpoint.path.split('/')[1]));
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
