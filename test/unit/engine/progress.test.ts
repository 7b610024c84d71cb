import { describe, expect, it } from 'vitest';
import { ProgressReader } from '../../../src/engine/progress.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { Sequence } from '../../../src/model/sequence.ts';

import { sequenceOf } from '../../support/oracleBench.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';
import { aSequence } from '../../support/outbox.ts';

/** A matcher with the sequence `s` of `a` and `b`, and a reader that looks at one lead at a time. */
function start() {
  const matcher = new Matcher(WIDE_LIMITS);
  matcher.setSequence(sequenceOf('a,b'));
  let position = 0;
  const apply = (leadId: string, type: string): void => {
    position++;
    const timeMicros = 1_700_000_000_000_000 + position;
    const times = { timeMicros, arrivalMicros: timeMicros, streamSequence: position };
    matcher.apply({ ou: 'ou', leadId, id: `e${position}`, type, ...times });
  };
  const asOf = () => ({ position, clockMicros: matcher.clockMicros });
  const reader = new ProgressReader(matcher.insight, asOf, 1);
  const sequence = (id: string): Sequence => aSequence({ ou: 'ou', id, eventTypes: ['a', 'b'] });
  for (let lead = 0; lead < 20; lead++) apply(`l${lead}`, 'a');
  return { matcher, reader, apply, sequence };
}

describe('a count of how far leads are', () => {
  it('is exact as of its position, while events go on being applied between its portions', async () => {
    const { matcher, reader, apply, sequence } = start();
    const reading = reader.read(sequence('s'));
    let isOver = false;
    void reading.finally(() => {
      isOver = true;
    });
    for (let lead = 0; !isOver; lead++) {
      await new Promise(setImmediate);
      apply(`l${lead % 40}`, 'b');
    }
    expect(await reading).toMatchObject({
      position: 20,
      leadCount: 20,
      firedCount: 0,
      steps: [
        { eventType: 'a', leadCount: 20 },
        { eventType: 'b', leadCount: 0 },
      ],
    });
    expect(matcher.insight.isCounting).toBe(false);
    const after = await reader.read(sequence('s'));
    expect(after).not.toMatchObject({ firedCount: 0 });
  });

  it('is shared by those who ask for it meanwhile, and made anew for those who ask later', async () => {
    const { reader, apply, sequence } = start();
    const [one, other] = [reader.read(sequence('s')), reader.read(sequence('s'))];
    expect(await one).toBe(await other);
    apply('l0', 'b');
    expect(await reader.read(sequence('s'))).toMatchObject({ position: 21, firedCount: 1 });
  });

  it('waits for the one before it, up to a number of them, and says so where there is no such sequence', async () => {
    const { matcher, reader, sequence } = start();
    const names = Array.from({ length: 30 }, (_, index) => `s${index}`);
    for (const id of names) matcher.setSequence(sequenceOf('a,b', { id }));
    const answers = await Promise.all(names.map((id) => reader.read(sequence(id))));
    expect(answers.filter((answer) => answer === 'busy')).toHaveLength(13);
    expect(answers.filter((answer) => answer !== 'busy')).toHaveLength(17);
    expect(await reader.read(sequence('s29'))).toMatchObject({ leadCount: 20 });
    expect(await reader.read(sequence('absent'))).toBe('not_in_force');
  });
});
