import type { Backfill } from '../model/backfill.ts';
import type { OuId } from '../model/event.ts';
import type { Sequence, SequenceId } from '../model/sequence.ts';
import { requireVersion } from './conditions.ts';
import { iso } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts } from './ports.ts';
import { notFound } from './problem.ts';
import { freshIdOf } from './request.ts';
import { createSequence, patchSequence } from './sequenceChanges.ts';
import * as contract from './sequenceContract.ts';
import type { NewSequence } from './sequenceSchema.ts';
import { entryView } from './stepSchema.ts';
import { rotateSecret } from './triggerChanges.ts';
import { refusalOf, refuseForbiddenUrl } from './triggerChecks.ts';
import { deliveriesView, versionView } from './triggerView.ts';

type SequencePorts = Pick<ApiPorts, 'catalog' | 'checkWebhookUrl' | 'nowMs' | 'sequencesPerOuMax'>;

const KIND = { one: 'sequence', many: 'sequences' } as const;

/** `/sequences`: create, read, change and delete the sequences of the OU. */
export function sequenceRoutes(ports: SequencePorts): readonly Route[] {
  const { catalog, nowMs } = ports;
  const created = async (ou: OuId, id: SequenceId, body: NewSequence) => {
    await refuseForbiddenUrl(ports, body.webhook_url);
    const now = nowMs();
    const result = await catalog.create(createSequence(ou, id, body, now), wishOf(body, now));
    if (!result.ok) throw refusalOf(result, KIND, ports);
    return result.sequence;
  };
  const view = (sequence: Sequence) => sequenceView(sequence, catalog.backfillOf(sequence.ou, sequence.id));
  /** Only for the two answers that hand out a new secret. */
  const viewWithSecret = (sequence: Sequence) => ({
    ...view(sequence),
    webhook_secret: sequence.webhookSecret,
  });
  return [
    route(contract.listSequences, async ({ ou }) => {
      const sequences = [...(await catalog.list(ou))].sort(byCreation);
      return { sequences: sequences.map(view) };
    }),

    route(contract.createSequence, async ({ ou, body, context }) => {
      const id = `seq-${freshIdOf(context)}`;
      const sequence = (await catalog.get(ou, id)) ?? (await created(ou, id, body));
      context.header('location', `/sequences/${sequence.id}`);
      return viewWithSecret(sequence);
    }),

    route(contract.getSequence, async ({ ou, id }) => {
      const sequence = await catalog.get(ou, id);
      if (sequence === undefined) throw notFound('sequence');
      return view(sequence);
    }),

    ...[contract.putSequence, contract.patchSequence].map((change) =>
      route(change, async ({ ou, id, body, context }) => {
        await refuseForbiddenUrl(ports, body.webhook_url);
        const now = nowMs();
        const change = (current: Sequence) => {
          requireVersion(context, current.version);
          return patchSequence(current, body, now);
        };
        const result = await catalog.update(ou, id, change, wishOf(body, now));
        if (!result.ok) throw refusalOf(result, KIND, ports);
        return view(result.sequence);
      }),
    ),

    route(contract.deleteSequence, async ({ ou, id, context }) => {
      const result = await catalog.remove(ou, id, ({ version }) => requireVersion(context, version));
      if (!result.ok) throw refusalOf(result, KIND, ports);
      return null;
    }),

    route(contract.rotateSecret, async ({ ou, id }) => {
      const now = nowMs();
      const result = await catalog.update(ou, id, (current) => rotateSecret(current, now));
      if (!result.ok) throw refusalOf(result, KIND, ports);
      return viewWithSecret(result.sequence);
    }),
  ];
}

function byCreation(one: Sequence, other: Sequence): number {
  return one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1);
}

/** A sequence as every answer shows it: all fields, null where absent, no secret. */
function sequenceView(sequence: Sequence, backfill: Backfill | undefined): contract.SequenceView {
  return {
    id: sequence.id,
    name: sequence.name,
    event_types: sequence.eventTypes.map(entryView),
    exclude: sequence.exclude.length === 0 ? null : sequence.exclude,
    window_seconds: sequence.windowSeconds,
    window_unit: sequence.windowUnit,
    ordered: sequence.ordered,
    max_gap_seconds: sequence.maxGapSeconds,
    ...deliveriesView(sequence),
    refire: {
      mode: sequence.refire.mode,
      cooldown_seconds: sequence.refire.mode === 'cooldown' ? sequence.refire.cooldownSeconds : null,
    },
    max_fire_delay_seconds: sequence.maxFireDelaySeconds,
    backfill: backfill === undefined ? null : backfillView(backfill),
    ...versionView(sequence),
  };
}

function backfillView(backfill: Backfill): NonNullable<contract.SequenceView['backfill']> {
  const { state, finishedAtMs } = backfill;
  return {
    state: state === 'merging' ? 'reading' : state,
    fraction: backfill.fraction,
    events_read: backfill.eventsRead,
    events_added: backfill.eventsAdded,
    started_at: iso(backfill.startedAtMs),
    finished_at: finishedAtMs === null ? null : iso(finishedAtMs),
    reason: backfill.reason,
  };
}

function wishOf({ backfill }: { readonly backfill?: boolean | null | undefined }, nowMs: number) {
  return backfill === true ? { startedAtMs: nowMs } : undefined;
}
