import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import { count } from './commonSchema.ts';
import { type Answer, type AnyEndpoint, problemsOf, TAGS } from './endpoint.ts';
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
  .meta({ id: 'Problem', description: 'RFC 9457, with the errors as an extension.' });

export const DESCRIPTION = `Define sequences of event types, and milestone triggers on scores. When a lead completes a sequence within its window, or its score reaches a threshold, a signed webhook, emails, or both go out.

Every request but those of Operation needs \`Authorization: Bearer <token>\`, made by \`npm run tokens -- create --ou OU --name NAME\`. A token belongs to one organizational unit and sees nothing of another: ids of others are 404.

Bodies are JSON in UTF-8 of up to ${BODY_BYTES_MAX.toLocaleString('en-US')} bytes. Unknown fields of a body and unknown parameters of a list are refused by name; null is the same as absent where it is allowed, but clears a field in a change. Times are RFC 3339 with an offset. Any answer other than success is a problem (RFC 9457). What is not HTTP, or comes too slowly, is answered with 400, 408, 417 or 431.`;

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
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'An API token of an OU.' } },
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
  return {
    operationId: endpoint.name,
    tags: [endpoint.tag],
    summary: endpoint.summary,
    description: endpoint.description,
    security: endpoint.isPublic === true ? [] : [{ token: [] }],
    parameters: [...pathParameters(endpoint), ...queryParameters(endpoint, schemaOf)],
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

/** The example of a parameter as a value of its type, as which tools compare it. */
function typed(text: string, { type }: Json): unknown {
  return type === 'integer' || type === 'boolean' ? JSON.parse(text) : text;
}

function successes({ answer, alternative, example }: AnyEndpoint, schemaOf: SchemaOf): Json {
  const said = {
    [answer.status]: { description: answer.description, ...contentOf(answer, schemaOf, example.answer) },
  };
  if (alternative === undefined) return said;
  const { status, description } = alternative;
  return { ...said, [status]: { description, ...contentOf(answer, schemaOf) } };
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

function problemAnswer(status: number, description: string): Json {
  const schema = { $ref: '#/components/schemas/Problem' };
  const example = { type: 'about:blank', title: STATUS_CODES[status], status, detail: description };
  return {
    description,
    ...(status === 503
      ? { headers: { 'retry-after': { description: 'In seconds.', schema: { type: 'integer' } } } }
      : {}),
    ...(status === 401
      ? { headers: { 'www-authenticate': { description: 'The scheme.', schema: { type: 'string' } } } }
      : {}),
    content: { [PROBLEM_TYPE]: { schema, example } },
  };
}
