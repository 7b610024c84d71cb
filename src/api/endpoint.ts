import type { z } from 'zod';
import type { OuId } from '../model/event.ts';
import type { Role } from '../model/token.ts';
import { entityTag, isKnown } from './conditions.ts';
import type { ProblemStatus } from './problem.ts';
import { type ApiContext, idOf, leadIdOf, readBody, readOptionalBody, readQuery } from './request.ts';

export const TAGS = {
  Sequences: 'What leads have to do to make a webhook or an email go out.',
  Triggers: 'What scores leads have to reach to make a webhook or an email go out.',
  Events: 'What leads do, and what of it could not be used.',
  Fires: 'Which leads completed which sequences, and reached which scores.',
  Deliveries: 'What was sent where, each attempt, and sending it again.',
  Destinations: 'Where deliveries go: pausing one, resuming it, limiting its rate.',
  Tokens: 'Who may ask for what. All of it needs the role admin.',
  Operation: 'For orchestrators and monitoring.',
} as const;

/** How a body is read, and the schema that documents it. */
export interface RequestBody<Body> {
  readonly schema: z.ZodType;
  readonly isRequired: boolean;
  /** Throws the Problem of whatever is wrong with it. */
  read(context: ApiContext): Promise<Body>;
}

/** The answers of one kind of success. */
export interface Answer<Value> {
  readonly status: 200 | 201 | 202 | 204;
  readonly description: string;
  /** Absent where there is no body, or none in JSON. */
  readonly schema?: z.ZodType<Value>;
  /** Of a body that is not JSON. */
  readonly contentType?: string;
  /** The body has a `version`, which is its ETag; a GET takes If-None-Match. */
  readonly isVersioned?: true;
}

/** A request that can be made and its answer, for the document; a test makes each of them. */
export interface Example<Value> {
  readonly id?: string;
  readonly leadId?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly answer: Shown<Value>;
}

/**
 * One method at one path: the only source of its route, its checks, the type of its answer and its entry in the
 * document. What follows from the rest (401, 403 and 429 of a token, 404 of an `{id}`, 400, 413 and 415 of a body, 412
 * of a condition, 409 and 422 of an Idempotency-Key, 500) is not listed in `problems`.
 */
export interface Endpoint<Query, Body, Value> {
  /** The operationId. */
  readonly name: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{id}`, with `{id}` and `{lead_id}`, or without a parameter. */
  readonly path: `/${string}`;
  readonly tag: keyof typeof TAGS;
  readonly summary: string;
  readonly description: string;
  /** Needs no token. */
  readonly isPublic?: true;
  /** What a token needs; by default `read` for a GET and `write` for the rest. */
  readonly role?: Role;
  /** Takes If-Match with the ETag of what it changes. */
  readonly isConditional?: true;
  /** What the `{id}` in the path is the id of. */
  readonly idOf?: string;
  /** The path has a `{lead_id}`: any lead id as one percent-encoded part. */
  readonly takesLeadId?: true;
  readonly query?: z.ZodType<Query>;
  readonly body?: RequestBody<Body>;
  readonly answer: Answer<Value>;
  /** Another status with the same kind of body that is no Problem. */
  readonly alternative?: { readonly status: 503; readonly description: string };
  /** What else it answers with, and when. */
  readonly problems?: Readonly<Partial<Record<ProblemStatus, string>>>;
  readonly example: Example<Value>;
}
export type AnyEndpoint = Endpoint<unknown, unknown, unknown>;

/** What a token needs for it; null: no token is needed. */
export function roleOf({ isPublic, role, method }: AnyEndpoint): Role | null {
  if (isPublic === true) return null;
  return role ?? (method === 'get' ? 'read' : 'write');
}

/** Whether it takes an Idempotency-Key: a POST that does something, as opposed to one that only reads a body. */
export function takesIdempotencyKey(endpoint: AnyEndpoint): boolean {
  return endpoint.method === 'post' && roleOf(endpoint) !== 'read' && endpoint.isPublic !== true;
}

/** Every problem that the endpoint can answer with, and when. */
export function problemsOf(endpoint: AnyEndpoint): Readonly<Record<number, string>> {
  const { body, query, idOf, takesLeadId, isConditional, problems } = endpoint;
  const takesKey = takesIdempotencyKey(endpoint);
  const isChecked = body !== undefined || query !== undefined || takesLeadId === true || takesKey;
  const role = roleOf(endpoint);
  return {
    ...(isChecked && { 400: 'The body or a parameter is not valid; `errors` names each that is wrong.' }),
    ...(role !== null && {
      401: 'The token is missing, not known, has expired, or was revoked.',
      403: `The token has not the role that this needs, \`${role}\`.`,
      429: 'The token has made more requests than it may make in a second; try again after Retry-After.',
    }),
    ...(idOf !== undefined && { 404: `There is no such ${idOf} in this organizational unit.` }),
    ...(body !== undefined && {
      413: 'The body, or a part of it, is too large.',
      415: 'The body is not JSON in UTF-8, or is compressed.',
    }),
    ...(isConditional === true && { 412: 'If-Match does not name the version that it is at.' }),
    ...(takesKey && { 422: 'The Idempotency-Key was used for another request.' }),
    500: 'Something went wrong on our side; it has been logged.',
    ...problems,
    ...(takesKey && {
      409: [problems?.[409], 'A request with the same Idempotency-Key is under way.']
        .filter((text) => text !== undefined)
        .join(' '),
      503:
        problems?.[503] ??
        'Answers cannot be kept for an Idempotency-Key at this moment; try again after Retry-After.',
    }),
  };
}

/** The path of the example's request, without its query. */
export function examplePath({ path, example }: AnyEndpoint): string {
  return path
    .replace('{id}', example.id ?? '')
    .replace('{lead_id}', encodeURIComponent(example.leadId ?? ''));
}

/** For its inference alone. */
export function endpoint<Query = undefined, Body = undefined, Value = null>(
  description: Endpoint<Query, Body, Value>,
): Endpoint<Query, Body, Value> {
  return description;
}

export function jsonBody<Body>(schema: z.ZodType<Body>): RequestBody<Body> {
  return { schema, isRequired: true, read: (context) => readBody(context, schema) };
}

/** Of a request that may also come without a body, which is the same as `{}`. */
export function optionalJsonBody<Body>(schema: z.ZodType<Body>): RequestBody<Body> {
  return { schema, isRequired: false, read: (context) => readOptionalBody(context, schema) };
}

/** A value as an answer shows it; the lists of the model are read-only. */
export type Shown<Value> = Value extends object
  ? { readonly [Key in keyof Value]: Shown<Value[Key]> }
  : Value;

/** A request after every check of its endpoint. */
export interface Checked<Query, Body> {
  readonly ou: OuId;
  /** The `{id}` of the path; empty where it has none. */
  readonly id: string;
  /** The `{lead_id}` of the path, decoded; empty where it has none. */
  readonly leadId: string;
  readonly query: Query;
  readonly body: Body;
  /** For what an answer needs beside its body. */
  readonly context: ApiContext;
}

/** An endpoint with what it does. */
export interface Route {
  readonly endpoint: AnyEndpoint;
  handle(context: ApiContext): Promise<Response> | Response;
}

/** Checks a request as the endpoint says and answers with what `work` gives. Whatever fails is thrown as a Problem. */
export function route<Query, Body, Value>(
  endpoint: Endpoint<Query, Body, Value>,
  work: (request: Checked<Query, Body>) => Promise<Shown<Value>> | Shown<Value>,
): Route {
  const { answer } = endpoint;
  return {
    endpoint,
    handle: async (context) => {
      const value = await work(await checkedRequest(endpoint, context));
      if (answer.schema === undefined) return context.body(null, answer.status);
      if (answer.isVersioned === true) {
        const { version, backfill } = value as {
          readonly version: number;
          readonly backfill?: object | null;
        };
        context.header('etag', entityTag(version));
        // How far a backfill is changes within a version.
        const mayDiffer = backfill !== undefined && backfill !== null;
        if (endpoint.method === 'get' && !mayDiffer && isKnown(context, version))
          return context.body(null, 304);
      }
      // As bytes, whose number is known: of a text it is counted again by the server.
      const body = Buffer.from(JSON.stringify(value));
      context.set('answerBytes', body.length);
      return context.newResponse(body, answer.status, { 'content-type': 'application/json' });
    },
  };
}

async function checkedRequest<Query, Body>(
  endpoint: Endpoint<Query, Body, unknown>,
  context: ApiContext,
): Promise<Checked<Query, Body>> {
  return {
    ou: context.var.ou,
    id: endpoint.idOf === undefined ? '' : idOf(context, endpoint.idOf),
    leadId: endpoint.takesLeadId === true ? leadIdOf(context, endpoint.path) : '',
    // Where an endpoint declares none, the type of what it takes is undefined.
    query: endpoint.query === undefined ? (undefined as Query) : readQuery(context, endpoint.query),
    body: endpoint.body === undefined ? (undefined as Body) : await endpoint.body.read(context),
    context,
  };
}

/** For an answer that is not of one schema and status; `handle` makes the whole of it. */
export function plainRoute(endpoint: AnyEndpoint, handle: Route['handle']): Route {
  return { endpoint, handle };
}
