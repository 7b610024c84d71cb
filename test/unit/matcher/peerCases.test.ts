import { describe, expect, it } from 'vitest';
import { normalized, YEAR_MICROS } from '../../support/oracleBench.ts';
import { readSharedJson, sharedFileExists } from '../../support/oracleData.ts';
import { SUBJECTS, WIDE_LIMITS } from '../../support/oracleSubjects.ts';

interface PeerCase {
  readonly id: string;
  readonly name: string;
  readonly ordered: boolean;
  readonly event_types: readonly string[];
  /** Milliseconds; null is a year. */
  readonly window_ms: number | null;
  readonly events: readonly {
    readonly key: string;
    readonly type: string;
    readonly ts: number;
    readonly id: string;
  }[];
  readonly expected_fires: readonly (readonly string[])[];
}

const FILE = 'peer-cases.json';
const cases = sharedFileExists(FILE) ? readSharedJson<{ cases: PeerCase[] }>(FILE).cases : null;

describe.each(SUBJECTS)('inputs of other engines under the rules of this one, $name', ({ create }) => {
  if (cases === null) it.skip(`${FILE} lies beside the repository and is absent here`);

  it.each(cases ?? [])('$id $name', (peerCase) => {
    const subject = create(WIDE_LIMITS);
    subject.setSequence({
      ou: 'ou',
      id: 's',
      eventTypes: peerCase.event_types,
      windowMicros: peerCase.window_ms === null ? YEAR_MICROS : peerCase.window_ms * 1000,
      ordered: peerCase.ordered,
      active: true,
      refire: { mode: 'every' },
      maxFireDelayMicros: null,
      effectiveFrom: 0,
    });
    const fires = peerCase.events.flatMap(({ key, type, ts, id }, index) => {
      const timeMicros = ts * 1000;
      const outcome = normalized(
        subject.apply({
          ou: 'ou',
          leadId: key,
          id,
          type,
          timeMicros,
          arrivalMicros: timeMicros,
          streamSequence: index + 1,
        }),
      );
      return outcome.kind === 'held' ? outcome.completions.map((c) => c.events.map((e) => e.id)) : [];
    });
    expect(fires).toEqual(peerCase.expected_fires);
  });
});
