import { finished } from 'node:stream';
import type { OuId } from '../model/event.ts';
import { formatMicros } from '../model/time.ts';
import { csvList, csvRow } from './csv.ts';
import { plainRoute, type Route } from './endpoint.ts';
import { ExportTurns } from './exportTurns.ts';
import type { ApiPorts, FireFilters, FireHistoryPort, FireWithDeliveries, LoggerPort } from './ports.ts';
import { type ApiContext, outgoingOf, readQuery } from './request.ts';
import { EXPORT_COLUMNS, exportFires, fireFilters } from './sequenceEventContract.ts';
import { filtersOf, overallState } from './sequenceEvents.ts';

/** Read in one turn of the event loop, a few milliseconds. */
const PORTION_ROWS = 100;

/** `/sequence-events/export`: the fires of the OU as a file. */
export function sequenceEventExportRoutes({
  fires,
  logger,
}: Pick<ApiPorts, 'fires' | 'logger'>): readonly Route[] {
  const turns = new ExportTurns();
  return [
    plainRoute(exportFires, async (context) => {
      const { ou } = context.var;
      const portions = portionsOf(fires, ou, filtersOf(readQuery(context, fireFilters)), turns);
      // Read before the answer begins, while there can be another one.
      const first = await portions.next();
      const outgoing = outgoingOf(context);
      // Also where nobody reads the body: of an answer to HEAD, or when the client is gone already.
      if (outgoing !== undefined) finished(outgoing, () => void portions.return(undefined));
      return context.body(streamOf(first, portions, turns, context, logger), 200, {
        'content-type': 'text/csv; charset=utf-8; header=present',
        'content-disposition': 'attachment; filename="sequence-events.csv"',
      });
    }),
  ];
}

/**
 * The text of the file, a few rows each time. Every portion is looked up anew behind the place of the last: a read
 * that stayed open for as long as a client takes would keep the store from using its free pages again.
 *
 * The first portion throws a 429 where the OU has too many exports under way; this one counts until it ends or returns.
 */
async function* portionsOf(
  fires: FireHistoryPort,
  ou: OuId,
  filters: FireFilters,
  turns: ExportTurns,
): AsyncGenerator<string> {
  turns.begin(ou);
  try {
    let text = csvRow(EXPORT_COLUMNS);
    let next = null;
    do {
      const portion: Awaited<ReturnType<FireHistoryPort['readFires']>> = await fires.readFires(
        ou,
        filters,
        next,
        PORTION_ROWS,
      );
      yield text + portion.fires.map(rowOf).join('');
      text = '';
      next = portion.next;
    } while (next !== null);
  } finally {
    turns.end(ou);
  }
}

function rowOf({ fire, deliveries }: FireWithDeliveries): string {
  const row: Readonly<Record<(typeof EXPORT_COLUMNS)[number], string>> = {
    id: fire.id,
    sequence_id: fire.sequenceId,
    sequence_name: fire.sequenceName,
    lead_id: fire.leadId,
    event_types: csvList(fire.eventTypes),
    fired_at: formatMicros(fire.firedAtMicros),
    completed_at: formatMicros(fire.completedAtMicros),
    late: String(fire.late),
    delivery: overallState(fire, deliveries),
    event_ids: csvList(fire.events.map(({ id }) => id)),
  };
  return csvRow(EXPORT_COLUMNS.map((name) => row[name]));
}

/**
 * The portions as a body that is read as fast as the client takes it, and no further when the client is gone. After a
 * failure the connection breaks, so that nobody takes the part for the whole.
 */
function streamOf(
  first: IteratorResult<string>,
  portions: AsyncGenerator<string>,
  turns: ExportTurns,
  context: ApiContext,
  logger: LoggerPort,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let portion: IteratorResult<string> | null = first;
  let isCancelled = false;
  return new ReadableStream(
    {
      pull: async (controller) => {
        await turns.next();
        try {
          portion ??= await portions.next();
          if (isCancelled) return;
          if (portion.done === true) controller.close();
          else controller.enqueue(encoder.encode(portion.value));
          portion = null;
        } catch (error) {
          const { method, path } = context.req;
          logger.error({ err: error, method, path }, 'an export broke off');
          // Told of an error, the adapter of the server would write it to the console, with its stack.
          outgoingOf(context)?.destroy();
        }
      },
      cancel: () => {
        isCancelled = true;
      },
    },
    // Nothing is read ahead: the answer to HEAD has no body.
    { highWaterMark: 0 },
  );
}
