import { Validator } from '@seriousme/openapi-schema-validator';
import { describe, expect, it } from 'vitest';
import { signatureHeaders } from '../../../src/outbox/signature.ts';
import { webhookBody } from '../../../src/outbox/webhookMessage.ts';
import { aFire } from '../../support/api.ts';
import { type DocumentedOperation, startDocumentedApi } from '../../support/openapi.ts';
import { aMilestoneFire } from '../../support/outbox.ts';

const { operations } = await startDocumentedApi();
const named = operations.map((each) => ({ ...each, name: `${each.method.toUpperCase()} ${each.path}` }));

/** The request of the examples of an operation. */
function exampleOf({ path, operation }: DocumentedOperation) {
  const asked = operation.parameters
    .filter((parameter) => parameter.in === 'path')
    .reduce((target, { name, example }) => target.replace(`{${name}}`, String(example)), path);
  const query = operation.parameters
    .filter((parameter) => parameter.in === 'query' && parameter.example !== undefined)
    .map(({ name, example }): [string, string] => [name, String(example)]);
  const search = new URLSearchParams(query).toString();
  const body = operation.requestBody?.content['application/json']?.example;
  return { target: asked + (search === '' ? '' : `?${search}`), body };
}

describe('the OpenAPI document', () => {
  it('is valid by the meta-schema of OpenAPI 3.1', async () => {
    const { document } = await startDocumentedApi();
    const validator = new Validator();
    expect(await validator.validate({ ...structuredClone(document) })).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    expect(await new Validator().validate({ ...document, paths: { '/x': 7 } })).toMatchObject({
      valid: false,
    });
  });

  it('has every route of the app, and no other', async () => {
    const { app } = await startDocumentedApi();
    const routes = app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    expect(routes.length).toBeGreaterThan(20);
    expect(named.map(({ name }) => name).sort()).toEqual(routes.sort());
  });

  it('gives every operation an id of its own, and names every part that it refers to', async () => {
    const { document } = await startDocumentedApi();
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map((match) => match[1]);
    const components = Object.keys(document.components.schemas);
    expect(new Set(references)).toEqual(new Set(components.map((name) => `#/components/schemas/${name}`)));
  });

  it.each(named)('says of $name what it needs and what it answers', async ({ path, operation }) => {
    const { summary, description, tags, security, responses, requestBody, parameters } = operation;
    expect([summary, description, ...tags].every((text) => text.length > 0)).toBe(true);
    const isPublic = /^\/(healthz|readyz|metrics|openapi\.json|docs.*)$/.test(path);
    expect(security).toEqual(
      isPublic ? [] : [{ token: [expect.stringMatching(/^(read|ingest|write|admin)$/)] }],
    );
    expect(['401', '403', '429'].map((status) => status in responses)).toEqual(Array(3).fill(!isPublic));
    expect('404' in responses).toBe(path.includes('{id}'));
    expect(['413', '415'].every((status) => status in responses)).toBe(requestBody !== undefined);
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(inPath);
    for (const { content } of Object.values(responses)) {
      for (const { schema } of Object.values(content ?? {})) expect(Object.keys(schema)).not.toEqual([]);
    }
  });

  it.each(named)('has an example of $name that is answered as it says', async (each) => {
    const { call, errorsAt, objections } = await startDocumentedApi();
    const { target, body } = exampleOf(each);
    const { method, path, operation } = each;
    const place = ['paths', path, method];
    if (body !== undefined) {
      const schema = [...place, 'requestBody', 'content', 'application/json', 'schema'];
      expect(errorsAt(schema, body)).toEqual([]);
    }
    const isPublic = operation.security?.length === 0;
    const answer = await call(method.toUpperCase(), target, { body, ...(isPublic ? { token: null } : {}) });
    expect(Object.keys(operation.responses)[0]).toBe(String(answer.status));
    expect(answer.status).toBeLessThan(300);
    expect(objections(each, answer)).toEqual([]);

    const content = operation.responses[answer.status]?.content?.['application/json'];
    if (content === undefined) return;
    const schema = [...place, 'responses', String(answer.status), 'content', 'application/json', 'schema'];
    expect(errorsAt(schema, content.example)).toEqual([]);
  });

  it.each(named)('names the answers of $name to requests that are refused for their form', async (each) => {
    const { call, objections } = await startDocumentedApi();
    const { target, body } = exampleOf(each);
    const method = each.method.toUpperCase();
    const isPublic = each.operation.security?.length === 0;
    const rawBody = each.operation.requestBody === undefined ? undefined : ' '.repeat(1_048_577);
    const plain = { headers: { 'content-type': 'text/plain' }, rawBody: JSON.stringify(body ?? {}) };
    const answers = [
      ...(isPublic ? [] : [await call(method, target, { token: 'st_wrong' })]),
      ...(rawBody === undefined ? [] : [await call(method, target, { rawBody })]),
      ...(rawBody === undefined ? [] : [await call(method, target, plain)]),
    ];
    const expected = [...(isPublic ? [] : [401]), ...(rawBody === undefined ? [] : [413, 415])];
    expect(answers.map(({ status }) => status)).toEqual(expected);
    expect(answers.flatMap((answer) => objections(each, answer))).toEqual([]);
  });

  it('names the answers while something is missing or broken', async () => {
    const { call, objections, world } = await startDocumentedApi({
      readiness: () => ({ ready: false, reasons: ['replaying'], details: { position: 7 } }),
      publish: () => Promise.reject(new Error('broken')),
    });
    world.obstacles.set('dlv-4b1f', 'held');
    const asked = [
      ['isReady', 'GET', '/readyz', undefined, 503],
      ['ingestEvents', 'POST', '/ingest', { lead_id: 'l', event_type: 't' }, 500],
      ['redeliverDelivery', 'POST', '/deliveries/dlv-4b1f/redeliver', undefined, 409],
    ] as const;
    for (const [name, method, path, body, status] of asked) {
      const answer = await call(method, path, { body });
      const operation = operations.find((each) => each.operation.operationId === name);
      expect([name, answer.status]).toEqual([name, status]);
      expect(operation && objections(operation, answer)).toEqual([]);
    }
  });

  it('notices a field that the document does not name, and one that is missing', async () => {
    const { call, objections } = await startDocumentedApi();
    const read = operations.find(({ operation }) => operation.operationId === 'getSequence');
    const answer = await call('GET', '/sequences/seq-51d0');
    if (read === undefined) throw new Error('the operation getSequence is gone');
    expect(objections(read, answer)).toEqual([]);
    expect(objections(read, { ...answer, json: { ...answer.json, more: 1 } })).not.toEqual([]);
    expect(objections(read, { ...answer, json: { ...answer.json, name: undefined } })).not.toEqual([]);
    expect(objections(read, { ...answer, status: 418 })).not.toEqual([]);
  });

  it('shows the bounds of fields and the defaults of parameters', async () => {
    const { document } = await startDocumentedApi();
    const limit = document.paths['/deliveries']?.get?.parameters.find(({ name }) => name === 'limit');
    expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 100, default: 25 });
    const body = document.paths['/sequences']?.post?.requestBody?.content['application/json']?.schema;
    expect(body).toMatchObject({
      type: 'object',
      additionalProperties: false,
      required: ['name', 'event_types', 'window_seconds'],
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 200 },
        event_types: {
          type: 'array',
          minItems: 1,
          maxItems: 20,
          items: {
            anyOf: [
              { type: 'string', maxLength: 128 },
              { type: 'object', additionalProperties: false },
            ],
          },
        },
        window_seconds: { type: 'integer', minimum: 1, maximum: 31_536_000 },
      },
    });
  });

  it.each([
    ['sequenceCompleted', aFire()],
    ['milestoneReached', aMilestoneFire()],
  ])('describes the webhook %s as it is sent', async (name, fire) => {
    const { document, errorsAt } = await startDocumentedApi();
    const body = webhookBody(fire);
    const place = ['webhooks', name, 'post', 'requestBody', 'content', 'application/json'];
    expect(errorsAt([...place, 'schema'], JSON.parse(body))).toEqual([]);
    const webhook = document.webhooks[name]?.post;
    expect(
      errorsAt([...place, 'schema'], webhook?.requestBody?.content['application/json']?.example),
    ).toEqual([]);
    const headers = webhook?.parameters.map(({ name }) => name);
    expect(headers).toEqual(
      expect.arrayContaining(Object.keys(signatureHeaders('fire-1', 0, Buffer.from(body), []))),
    );
  });
});
