import { expect, it } from 'vitest';
import { milestoneFireOf } from '../../../src/engine/fires.ts';
import type { Crossing } from '../../../src/matcher/outcome.ts';
import type { LeadEvent } from '../../../src/model/event.ts';
import { aMilestone } from '../../support/outbox.ts';

const CROSSING: Crossing = {
  milestoneId: 'trg-1',
  event: { id: 'e9', type: 'buy', timeMicros: 9_000_000 },
  score: 120,
  late: true,
  suppressed: null,
};
const EVENT: LeadEvent = {
  ou: 'acme',
  leadId: 'ada',
  id: 'e5',
  type: 'view',
  score: 3,
  timeMicros: 5_000_000,
  arrivalMicros: 10_000_000,
  streamSequence: 7,
};

it('the fire of a crossing is about the event that crossed, whichever event made it do so', () => {
  const fire = milestoneFireOf(CROSSING, EVENT, aMilestone({ version: 3 }));
  expect(fire).toEqual({
    id: expect.stringMatching(/^fire-[0-9a-f]{32}$/),
    ou: 'acme',
    sequenceId: 'trg-1',
    sequenceName: 'Hot lead',
    sequenceVersion: 3,
    leadId: 'ada',
    eventTypes: ['buy'],
    events: [CROSSING.event],
    completedAtMicros: 9_000_000,
    firedAtMicros: 10_000_000,
    streamSequence: 7,
    late: true,
    stale: false,
    isSample: false,
    milestone: { score: 120, scoreThreshold: 100 },
  });
});

it('the id of such a fire is of the OU, the trigger, the lead and the event that crossed, and of nothing else (R20)', () => {
  const idOf = (
    crossing: Partial<Crossing['event']>,
    event: Partial<LeadEvent> = {},
    milestone: Parameters<typeof aMilestone>[0] = {},
  ) =>
    milestoneFireOf(
      { ...CROSSING, event: { ...CROSSING.event, ...crossing } },
      { ...EVENT, ...event },
      aMilestone(milestone),
    ).id;
  expect(idOf({ timeMicros: 1 }, { id: 'e6', streamSequence: 9 }, { name: 'renamed', version: 4 })).toBe(
    idOf({}),
  );
  const ids = [idOf({}), idOf({ id: 'e8' }), idOf({}, { ou: 'b' }), idOf({}, { leadId: 'b' })];
  expect(new Set([...ids, idOf({}, {}, { id: 'trg-2' })]).size).toBe(5);
});
