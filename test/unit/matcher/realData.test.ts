import { describe, expect, it } from 'vitest';
import type { LeadEvent } from '../../../src/model/event.ts';
import { micros, normalized, YEAR_MICROS } from '../../support/oracleBench.ts';
import { readSharedJson, readSharedLines, sharedFileExists } from '../../support/oracleData.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

interface Row {
  readonly id: string;
  readonly lead_id: string;
  readonly event_type: string;
  readonly created_at: string;
}

interface Answers {
  readonly sets: readonly {
    readonly file: string;
    readonly rows: number;
    readonly leads: number;
    readonly expected: readonly {
      readonly sequence: string;
      readonly event_types: readonly string[];
      readonly window_seconds: number;
      readonly leads_ordered: number;
      readonly leads_unordered: number;
    }[];
  }[];
}

const ANSWERS = 'data/expected.json';
const isPresent = sharedFileExists(ANSWERS);
const sets = isPresent ? readSharedJson<Answers>(ANSWERS).sets : [];

/** In file order, each arriving when it happened or when the newest before it did. */
function eventsOf(rows: readonly Row[]): LeadEvent[] {
  let arrivalMicros = Number.NEGATIVE_INFINITY;
  return rows.map((row, index) => {
    const timeMicros = Date.parse(row.created_at) * 1000;
    arrivalMicros = Math.max(arrivalMicros, timeMicros);
    return {
      ou: 'ou',
      leadId: row.lead_id,
      id: row.id,
      type: row.event_type,
      timeMicros,
      arrivalMicros,
      streamSequence: index + 1,
    };
  });
}

describe.each(SUBJECTS)('recorded events of real leads, $name', ({ create }) => {
  if (!isPresent) it.skip(`${ANSWERS} lies beside the repository and is absent here`);

  it.each(sets)('$file: as many leads fire as an exhaustive search found, in every row', (set) => {
    const rows = readSharedLines<Row>(`data/${set.file}`);
    expect(rows).toHaveLength(set.rows);
    expect(new Set(rows.map((row) => row.lead_id)).size).toBe(set.leads);

    const subject = create({ ...WIDE_LIMITS, allowedLatenessMicros: YEAR_MICROS });
    for (const [index, expected] of set.expected.entries()) {
      for (const ordered of [true, false]) {
        subject.setSequence({
          ou: 'ou',
          id: `${index}-${ordered}`,
          eventTypes: expected.event_types,
          windowMicros: micros(expected.window_seconds),
          ordered,
          active: true,
          refire: { mode: 'every' },
          maxFireDelayMicros: null,
          effectiveFrom: 0,
        });
      }
    }
    const leadsFired = new Map<string, Set<string>>();
    for (const event of eventsOf(rows)) {
      const outcome = normalized(subject.apply(event));
      for (const { sequenceId } of outcome.kind === 'held' ? outcome.completions : []) {
        leadsFired.set(sequenceId, (leadsFired.get(sequenceId) ?? new Set()).add(event.leadId));
      }
    }
    const counted = set.expected.map((expected, index) => ({
      ...expected,
      leads_ordered: leadsFired.get(`${index}-true`)?.size ?? 0,
      leads_unordered: leadsFired.get(`${index}-false`)?.size ?? 0,
    }));
    expect(counted).toEqual(set.expected);
  });
});
