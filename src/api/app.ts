import { Hono } from 'hono';
import { identify, logRequests, patternOf } from './accessLog.ts';
import { authenticate, requireRole } from './auth.ts';
import { allowOrigins } from './crossOrigin.ts';
import { deliveryRoutes } from './deliveries.ts';
import { destinationRoutes } from './destinations.ts';
import { documentRoutes } from './document.ts';
import { type Route, roleOf } from './endpoint.ts';
import { IdempotentRequests } from './idempotency.ts';
import { ingestRoutes } from './ingest.ts';
import { insightRoutes } from './insights.ts';
import { milestoneEventRoutes } from './milestoneEvents.ts';
import { milestoneRoutes } from './milestones.ts';
import { operationRoutes } from './operations.ts';
import type { ApiPorts, LoggerPort } from './ports.ts';
import { Problem, problemBody, problemResponse } from './problem.ts';
import { redeliveryRoutes } from './redeliveries.ts';
import { rejectedEventRoutes } from './rejectedEvents.ts';
import type { ApiContext, ApiEnv } from './request.ts';
import { sequenceEventExportRoutes } from './sequenceEventExport.ts';
import { sequenceEventRoutes } from './sequenceEvents.ts';
import { sequenceRoutes } from './sequences.ts';
import { simulationRoutes } from './simulations.ts';
import { tokenRoutes } from './tokens.ts';

/** The HTTP API as a Hono app; it listens nowhere (see `serveHttp`). Every answer other than success is a Problem. */
export function createApp(ports: ApiPorts): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.use(identify, logRequests(ports));
  if (ports.corsOrigins.length > 0) app.use(allowOrigins(ports.corsOrigins));

  const routes = routesOf(ports);
  const authenticated = authenticate(ports);
  for (const resource of privateResources(routes)) app.use(`/${resource}/*`, authenticated);
  const requests = new IdempotentRequests(ports.answers);
  for (const route of routes) {
    const { method, path } = route.endpoint;
    app.on(
      method.toUpperCase(),
      path.replace(/{(\w+)}/g, ':$1'),
      authorized(route, requests.handlerOf(route)),
    );
  }

  app.notFound((context) => answerWith(unrouted(app, context), context));
  app.onError((error, context) => answerWith(toProblem(error, context, ports.logger), context));
  return app;
}

function authorized({ endpoint }: Route, handle: Route['handle']): Route['handle'] {
  const needed = roleOf(endpoint);
  if (needed === null) return handle;
  return (context) => {
    requireRole(context, needed);
    return handle(context);
  };
}

function answerWith(problem: Problem, context: ApiContext): Response {
  const { requestId } = context.var;
  context.set('answerBytes', Buffer.byteLength(problemBody(problem, requestId)));
  return problemResponse(problem, requestId);
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
    ...tokenRoutes(ports),
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
  const fields = { method: context.req.method, route: patternOf(context), requestId: context.var.requestId };
  logger.error({ err: error, ...fields }, 'a request failed unexpectedly');
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
