import { Hono } from 'hono';
import type { Sequence } from '../model/sequence.ts';
import type { ApiPorts, CatalogRefusal } from './ports.ts';
import { invalid, notFound, Problem, unavailable } from './problem.ts';
import { noParameters } from './querySchema.ts';
import { type ApiContext, type ApiEnv, idOf, readBody, readOptionalBody, readQuery } from './request.ts';
import { createSequence, patchSequence, rotateSecret } from './sequenceChanges.ts';
import { newSequence, noFields, sequencePatch } from './sequenceSchema.ts';

type SequencePorts = Pick<ApiPorts, 'catalog' | 'checkWebhookUrl' | 'nowMs' | 'sequencesPerOuMax'>;

/** `/sequences`: create, read, change and delete the sequences of the OU. */
export function sequenceRoutes(ports: SequencePorts): Hono<ApiEnv> {
  const { catalog, nowMs } = ports;
  const routes = new Hono<ApiEnv>();

  routes.get('/', async (context) => {
    readQuery(context, noParameters);
    const sequences = [...(await catalog.list(context.var.ou))].sort(byCreation);
    return context.json({ sequences: sequences.map(sequenceView) });
  });

  routes.post('/', async (context) => {
    const body = await readBody(context, newSequence);
    await refuseForbiddenUrl(ports, body.webhook_url);
    const result = await catalog.create(createSequence(context.var.ou, body, nowMs()));
    if (!result.ok) throw refusal(result, ports);
    const { sequence } = result;
    return context.json(viewWithSecret(sequence), 201, { location: `/sequences/${sequence.id}` });
  });

  routes.get('/:id', async (context) => {
    const sequence = await catalog.get(context.var.ou, idOf(context, 'sequence'));
    if (sequence === undefined) throw notFound('sequence');
    return context.json(sequenceView(sequence));
  });

  const change = async (context: ApiContext) => {
    const id = idOf(context, 'sequence');
    const patch = await readBody(context, sequencePatch);
    await refuseForbiddenUrl(ports, patch.webhook_url);
    const now = nowMs();
    const result = await catalog.update(context.var.ou, id, (current) => patchSequence(current, patch, now));
    if (!result.ok) throw refusal(result, ports);
    return context.json(sequenceView(result.sequence));
  };
  routes.put('/:id', change);
  routes.patch('/:id', change);

  routes.delete('/:id', async (context) => {
    const result = await catalog.remove(context.var.ou, idOf(context, 'sequence'));
    if (!result.ok) throw refusal(result, ports);
    return context.body(null, 204);
  });

  routes.post('/:id/rotate-secret', async (context) => {
    const id = idOf(context, 'sequence');
    await readOptionalBody(context, noFields);
    const now = nowMs();
    const result = await catalog.update(context.var.ou, id, (current) => rotateSecret(current, now));
    if (!result.ok) throw refusal(result, ports);
    return context.json(viewWithSecret(result.sequence));
  });

  return routes;
}

async function refuseForbiddenUrl(
  ports: Pick<ApiPorts, 'checkWebhookUrl'>,
  url: string | null | undefined,
): Promise<void> {
  if (typeof url !== 'string') return;
  const verdict = await ports.checkWebhookUrl(url);
  if (!verdict.ok) throw invalid([{ path: 'webhook_url', message: `is refused: ${verdict.reason}` }], 'body');
}

function refusal(refused: CatalogRefusal, ports: Pick<ApiPorts, 'sequencesPerOuMax'>): Problem {
  switch (refused.reason) {
    case 'not_found':
      return notFound('sequence');
    case 'limit':
      return tooManySequences(ports);
    case 'unavailable':
      return unavailable('Sequences cannot be changed at this moment; try again shortly.');
  }
}

function tooManySequences(ports: Pick<ApiPorts, 'sequencesPerOuMax'>): Problem {
  const limit = ports.sequencesPerOuMax.toLocaleString('en-US');
  return new Problem(409, `There are ${limit} sequences already, which is the limit; delete one first.`);
}

function byCreation(one: Sequence, other: Sequence): number {
  return one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1);
}

/** A sequence as every answer shows it: all fields, null where absent, no secret. */
function sequenceView(sequence: Sequence) {
  return {
    id: sequence.id,
    name: sequence.name,
    event_types: sequence.eventTypes,
    window_seconds: sequence.windowSeconds,
    window_unit: sequence.windowUnit,
    ordered: sequence.ordered,
    webhook_url: sequence.webhookUrl,
    emails: sequence.emails,
    email_subject: sequence.emailSubject,
    email_preheader: sequence.emailPreheader,
    email_message: sequence.emailMessage,
    active: sequence.active,
    refire: {
      mode: sequence.refire.mode,
      cooldown_seconds: sequence.refire.mode === 'cooldown' ? sequence.refire.cooldownSeconds : null,
    },
    max_fire_delay_seconds: sequence.maxFireDelaySeconds,
    version: sequence.version,
    created_at: new Date(sequence.createdAtMs).toISOString(),
    updated_at: new Date(sequence.updatedAtMs).toISOString(),
  };
}

/** Only for the two answers that hand out a new secret. */
function viewWithSecret(sequence: Sequence) {
  return { ...sequenceView(sequence), webhook_secret: sequence.webhookSecret };
}
