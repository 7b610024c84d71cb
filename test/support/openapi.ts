import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ApiPorts } from '../../src/api/ports.ts';
import { parseInstant } from '../../src/model/instant.ts';
import type { Sequence } from '../../src/model/sequence.ts';
import { type Answer, aDelivery, aDestination, aFire, aToken, START_MS, startApi, TOKEN_ONE } from './api.ts';
import { aMilestone, aMilestoneFire } from './outbox.ts';

/** The parts of an OpenAPI document that the tests read. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly webhooks: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}
export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly security?: readonly object[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}
export interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly schema: Schema;
  readonly example?: unknown;
}
type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>;
export type Schema = { readonly [keyword: string]: unknown };

export interface DocumentedOperation {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Ids that the examples of the document name, so that each finds what it asks for. */
function fillWorld({ world }: ReturnType<typeof startApi>, sequence: Sequence): void {
  const common = { sequenceId: 'seq-51d0', fireId: 'fire-7c02' };
  world.sequences.set('one/seq-51d0', { ...sequence, id: 'seq-51d0', ou: 'one' });
  const milestone = { ou: 'one', id: 'trg-3f20', webhookUrl: 'https://example.com/hook' };
  world.milestones.set('one/trg-3f20', aMilestone(milestone));
  world.fires = [
    aFire({ id: 'fire-7c02', sequenceId: 'seq-51d0', leadId: 'ada' }),
    aMilestoneFire({ id: 'fire-91be', ou: 'one', sequenceId: 'trg-3f20' }),
  ];
  world.deliveries = [
    aDelivery({ ...common, id: 'dlv-4b1f', state: 'dead', reason: 'answered 500', dueAtMs: null }),
    aDelivery({ ...common, id: 'dlv-4b20', channel: 'email', destination: 'a@example.com', state: 'held' }),
  ];
  const attempt = { number: 1, startedAtMs: START_MS, durationMs: 12.5, outcome: 'failed' as const };
  world.attempts.set('dlv-4b1f', [{ ...attempt, status: null, error: 'timeout', response: null }]);
  world.destinations = [
    aDestination({ id: 'dst-9a3e', pause: { sinceMs: START_MS, reason: 'moving' } }),
    aDestination({ id: 'dst-9a3f', channel: 'email', url: '' }),
  ];
  for (const token of world.tokens.keys()) if (token !== TOKEN_ONE) world.tokens.delete(token);
  world.tokens.set(
    'st_example',
    aToken({ id: 'tok-0c11', expiresAtMs: START_MS + 1, lastUsedAtMs: START_MS }),
  );
  const event = {
    reason: 'not_json',
    detail: 'no JSON',
    streamSequence: 1,
    rejectedAtMicros: START_MS * 1_000,
    subject: 'events.one',
    payloadText: 'x',
    payloadBytes: 1,
  };
  world.rejected = [{ ou: 'one', event }];
}

/** The app on memory, its document, and a judge of its answers. `refill` gives back what requests took away. */
export async function startDocumentedApi(replaced: Partial<ApiPorts> = {}) {
  const api = startApi(replaced);
  const { id } = await api.create({ webhook_url: 'https://example.com/hook', emails: ['a@example.com'] });
  const sequence = api.world.sequences.get(`one/${id}`);
  if (sequence === undefined) throw new Error('the sequence was not created');
  const refill = () => {
    api.world.sequences.clear();
    api.world.milestones.clear();
    api.world.catalogAvailable = true;
    api.world.streamAvailable = true;
    fillWorld(api, sequence);
  };
  refill();
  const answer = await api.call('GET', '/openapi.json', { token: null });
  const document = answer.json as unknown as OpenApi;
  return { ...api, refill, document, operations: operationsOf(document), ...judgeOf(document) };
}

export function operationsOf({ paths }: OpenApi): readonly DocumentedOperation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): DocumentedOperation => ({ method, path, operation })),
  );
}

/** Validators of what the document says, which take no field that it does not name. */
export function judgeOf(document: OpenApi) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addFormat('date-time', { validate: (text: string) => parseInstant(text) !== undefined });
  ajv.addFormat('uri', { validate: (text: string) => URL.canParse(text) });
  ajv.addFormat('email', { validate: (text: string) => text.includes('@') });
  ajv.addSchema(closed(document) as object, 'document');

  /** What is wrong with a value by the schema at a place in the document; empty: nothing. */
  const errorsAt = (place: readonly string[], value: unknown): readonly string[] => {
    const pointer = place.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'));
    const $ref = `document#/${pointer.map(encodeURIComponent).join('/')}`;
    const validate = ajv.getSchema($ref) ?? ajv.compile({ $ref });
    validate(value);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };

  /** What is wrong with an answer by its operation: a status, type or body that the document does not name. */
  const objections = ({ method, path, operation }: DocumentedOperation, answer: Answer) => {
    const response = operation.responses[answer.status];
    if (response === undefined) return [`the status ${answer.status} is not in the document`];
    const type = answer.headers.get('content-type');
    if (response.content === undefined) return answer.text === '' ? [] : ['a body that should not be'];
    const known = Object.keys(response.content).find((each) => type?.startsWith(each) === true);
    if (known === undefined) return [`the type ${type} is not in the document`];
    const place = ['paths', path, method, 'responses', String(answer.status), 'content', known, 'schema'];
    return errorsAt(place, known.includes('json') ? answer.json : answer.text);
  };
  return { errorsAt, objections };
}

/** The document with every object closed that does not say itself what else it may hold. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const isOpen = inner.type === 'object' && 'properties' in inner && !('additionalProperties' in inner);
  return isOpen ? { ...inner, additionalProperties: false } : inner;
}
