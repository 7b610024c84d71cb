import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { count } from './commonSchema.ts';
import { type Answer, type AnyEndpoint, problemsOf, roleOf, TAGS, takesIdempotencyKey } from './endpoint.ts';
import { BODY_BYTES_MAX } from './request.ts';
import { documented } from './validation.ts';
import { webhooks } from './webhookContract.ts';

/** A JSON object, as which documents are built. */
type Json = Readonly<Record<string, unknown>>;

const PROBLEM_TYPE = 'application/problem+json';

const problem = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: count,
    detail: z.string().meta({ description: 'What is wrong, and what is allowed.' }),
    request_id: z.string().meta({ description: 'The x-request-id of the answer.' }),
    errors: z
      .array(
        z.object({
          path: z.string().meta({
            description: 'Such as emails[0]; empty for the body as a whole.',
          }),
          message: z.string(),
        }),
      )
      .optional()
      .meta({ description: 'Each wrong field or parameter, in answers to wrong fields.' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457, with the request id and the errors as extensions.' });

export const DESCRIPTION = `Define sequences of event types, and milestone triggers on scores. When a lead completes a sequence within its window, or its score reaches a threshold, a signed webhook, emails, or both go out.

Every request but those of Operation needs \`Authorization: Bearer <token>\`, made by \`npm run tokens -- create --ou OU --name NAME\`. A token belongs to one organizational unit and sees nothing of another: ids of others are 404. Its role says what it may do: \`read\` everything, \`ingest\` events and nothing else, \`write\` (both, and every change), or \`admin\` (that, and tokens). Where a rate is set, \`RateLimit-Policy\` and \`RateLimit\` say how many requests it may make in a second and how many are left.

A POST may carry an \`Idempotency-Key\` of up to 255 characters: sent again within a day, by the same token, it gets the first answer with \`idempotency-replayed: true\`, and nothing is done twice. A sequence has its version as \`ETag\`: \`If-None-Match\` spares reading it again, \`If-Match\` makes a change only to the version it names. Every answer has an \`x-request-id\`, yours if it has up to 128 letters, digits, dots, - and _.

Bodies are JSON in UTF-8 of up to ${BODY_BYTES_MAX.toLocaleString('en-US')} bytes. Unknown fields of a body (but those of an event, which are ignored) and unknown parameters of a list are refused by name; null is the same as absent where it is allowed, but clears a field in a change. Times are RFC 3339 with an offset. Any answer other than success is a problem (RFC 9457). What is not HTTP, or comes too slowly, is answered with 400, 408, 417 or 431.`;

/** The OpenAPI 3.1 document of the endpoints. */
export function openApiDocument(endpoints: readonly AnyEndpoint[]): Json {
  const components = new Map<string, unknown>();
  const schemaOf = (schema: z.ZodType) => withoutDefinitions(documented(schema), components);
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of endpoints) {
    paths[endpoint.path] = { ...paths[endpoint.path], [endpoint.method]: operation(endpoint, schemaOf) };
  }
  schemaOf(problem);
  return {
    openapi: '3.1.0',
    info: { title: 'sequence-triggers', version: '1', description: DESCRIPTION },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    webhooks: webhooks(schemaOf),
    components: {
      schemas: Object.fromEntries([...components].sort(([one], [other]) => (one < other ? -1 : 1))),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API token of an OU. Beside it stands the role that an operation needs.',
        },
      },
    },
  };
}

export type SchemaOf = (schema: z.ZodType) => Json;

/** Moves the named parts of a schema to the components of the document. */
function withoutDefinitions(schema: object, components: Map<string, unknown>): Json {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/');
  const { $defs = {}, ...rest } = JSON.parse(text) as Json & { readonly $defs?: Json };
  for (const [name, definition] of Object.entries($defs)) {
    const { id: _id, ...body } = definition as Json;
    components.set(name, body);
  }
  return rest;
}

function operation(endpoint: AnyEndpoint, schemaOf: SchemaOf): Json {
  const { body, example } = endpoint;
  const role = roleOf(endpoint);
  return {
    operationId: endpoint.name,
    tags: [endpoint.tag],
    summary: endpoint.summary,
    description: endpoint.description,
    security: role === null ? [] : [{ token: [role] }],
    parameters: [
      ...pathParameters(endpoint),
      ...queryParameters(endpoint, schemaOf),
      ...headerParameters(endpoint),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: body.isRequired,
            content: {
              'application/json': {
                schema: schemaOf(body.schema),
                ...(example.body === undefined ? {} : { example: example.body }),
              },
            },
          },
        }),
    responses: { ...successes(endpoint, schemaOf), ...problems(endpoint) },
  };
}

function pathParameters({ idOf, takesLeadId, example }: AnyEndpoint): readonly Json[] {
  const inPath = { in: 'path', required: true };
  return [
    ...(idOf === undefined
      ? []
      : [
          {
            ...inPath,
            name: 'id',
            description: `The id of the ${idOf}.`,
            schema: { type: 'string' },
            example: example.id,
          },
        ]),
    ...(takesLeadId !== true
      ? []
      : [
          {
            ...inPath,
            name: 'lead_id',
            description:
              'Percent-encoded as one part of the path, a slash as %2F. The ids `.` and `..` cannot stand in a path.',
            schema: { type: 'string', minLength: 1, maxLength: 256 },
            example: example.leadId,
          },
        ]),
  ];
}

function queryParameters({ query, example }: AnyEndpoint, schemaOf: SchemaOf): readonly Json[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    readonly properties?: Json;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
    ...(example.query?.[name] === undefined ? {} : { example: typed(example.query[name], schema as Json) }),
  }));
}

/** What the headers say that an operation takes beside those of every request. */
export function headersTaken(endpoint: AnyEndpoint): Readonly<Record<string, string>> {
  return {
    ...(takesIdempotencyKey(endpoint) && {
      'Idempotency-Key': 'Sent again within a day, the request gets the first answer.',
    }),
    ...(endpoint.isConditional === true && { 'If-Match': 'Only if it is at the version with this ETag.' }),
    ...(endpoint.method === 'get' &&
      endpoint.answer.isVersioned === true && { 'If-None-Match': 'Only if its ETag is another.' }),
  };
}

/** The answer to a read of what the client has already. */
export function unchangedOf({ method, answer }: AnyEndpoint): Readonly<Record<number, string>> {
  return method === 'get' && answer.isVersioned === true ? { 304: 'Its ETag is still the same.' } : {};
}

function headerParameters(endpoint: AnyEndpoint): readonly Json[] {
  return Object.entries(headersTaken(endpoint)).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));
}

/** The example of a parameter as a value of its type, as which tools compare it. */
function typed(text: string, { type }: Json): unknown {
  return type === 'integer' || type === 'boolean' ? JSON.parse(text) : text;
}

function successes(endpoint: AnyEndpoint, schemaOf: SchemaOf): Json {
  const { answer, alternative, example } = endpoint;
  const isVersioned = answer.isVersioned === true;
  const headers = {
    ...COMMON_ANSWER_HEADERS,
    ...(isVersioned && ETAG),
    ...(answer.status === 201 && { location: header('Where it is.') }),
    ...(takesIdempotencyKey(endpoint) && {
      'idempotency-replayed': header('true: it is the first answer again.'),
    }),
  };
  const said = {
    [answer.status]: {
      description: answer.description,
      headers,
      ...contentOf(answer, schemaOf, example.answer),
    },
  };
  const unchanged = Object.entries(unchangedOf(endpoint)).map(([status, description]) => [
    status,
    { description, headers },
  ]);
  const others = {
    ...Object.fromEntries(unchanged),
    ...(alternative && {
      [alternative.status]: { description: alternative.description, ...contentOf(answer, schemaOf) },
    }),
  };
  return { ...said, ...others };
}

function contentOf({ schema, contentType }: Answer<unknown>, schemaOf: SchemaOf, example?: unknown): Json {
  if (schema !== undefined) return { content: { 'application/json': { schema: schemaOf(schema), example } } };
  return contentType === undefined ? {} : { content: { [contentType]: { schema: { type: 'string' } } } };
}

function problems(endpoint: AnyEndpoint): Json {
  const said = Object.entries(problemsOf(endpoint));
  return Object.fromEntries(
    said.map(([status, description]) => [status, problemAnswer(Number(status), description)]),
  );
}

function header(description: string, type = 'string'): Json {
  return { description, schema: { type } };
}

const REQUEST_ID_EXAMPLE = '4b1f7c02-51d0-4c0e-9a3e-0c117d92e6a5';
const COMMON_ANSWER_HEADERS = { 'x-request-id': header('Of the request; also in problems and in the log.') };
const ETAG = { etag: header('Its version.') };
const RETRY_AFTER = { 'retry-after': header('In seconds.', 'integer') };
const CHALLENGE = { 'www-authenticate': header('The scheme.') };
/** Of problems that have more than the headers of every answer. */
const PROBLEM_HEADERS: Readonly<Record<number, Json>> = {
  401: CHALLENGE,
  403: CHALLENGE,
  412: ETAG,
  429: RETRY_AFTER,
  503: RETRY_AFTER,
};

function problemAnswer(status: number, description: string): Json {
  const schema = { $ref: '#/components/schemas/Problem' };
  const title = STATUS_CODES[status];
  const example = {
    type: 'about:blank',
    title,
    status,
    detail: description,
    request_id: REQUEST_ID_EXAMPLE,
  };
  return {
    description,
    headers: { ...COMMON_ANSWER_HEADERS, ...PROBLEM_HEADERS[status] },
    content: { [PROBLEM_TYPE]: { schema, example } },
  };
}
