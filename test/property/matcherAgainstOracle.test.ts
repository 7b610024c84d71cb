import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LogIndex } from '../../src/matcher/logIndex.ts';
import { Matcher } from '../../src/matcher/matcher.ts';
import { Oracle } from '../support/oracle.ts';
import { firstDifference, matcherPlay, oraclePlay, play, type Tally } from '../support/oracleDuel.ts';
import { type ScriptShape, scripts } from '../support/oracleScripts.ts';
import { indexedFrom } from '../support/oracleSubjects.ts';

const HUGE = 1_000_000;

const SHAPES: readonly { readonly name: string; readonly runs: number; readonly shape: ScriptShape }[] = [
  {
    name: 'a dense feed of one lead, without changes',
    runs: 4000,
    shape: {
      typesMax: 2,
      leadsMax: 1,
      sequencesMax: 4,
      stepsMax: 4,
      commandsMax: 30,
      changeWeight: 0,
      disorder: true,
    },
  },
  {
    name: 'several leads with changes, restarts and sweeps',
    runs: 5000,
    shape: {
      typesMax: 4,
      leadsMax: 4,
      sequencesMax: 8,
      stepsMax: 5,
      commandsMax: 60,
      changeWeight: 20,
      disorder: true,
    },
  },
  {
    name: 'changes at every other turn',
    runs: 4000,
    shape: {
      typesMax: 3,
      leadsMax: 1,
      sequencesMax: 4,
      stepsMax: 3,
      commandsMax: 40,
      changeWeight: 100,
      disorder: true,
    },
  },
  {
    name: 'long logs of one lead, with late events and changes',
    runs: 1000,
    shape: {
      typesMax: 4,
      leadsMax: 1,
      sequencesMax: 6,
      stepsMax: 5,
      commandsMin: 100,
      commandsMax: 200,
      spanFactor: 6,
      changeWeight: 3,
      disorder: true,
    },
  },
  {
    name: 'events in order, with long runs and ties',
    runs: 1500,
    shape: {
      typesMax: 3,
      leadsMax: 1,
      sequencesMax: 8,
      stepsMax: 5,
      commandsMax: 80,
      changeWeight: 5,
      disorder: false,
    },
  },
];

/** The same with steps that ask for more, some of them beside plain ones. */
const RICH_SHAPES = SHAPES.map(({ name, runs, shape }) => ({
  name,
  runs,
  shape: { ...shape, rich: true },
}));

describe('the matcher agrees with the oracle on every outcome', () => {
  const tally: Tally = new Map();
  let lookUps = 0;
  const { nthLatestBefore } = LogIndex.prototype;
  beforeAll(() => {
    LogIndex.prototype.nthLatestBefore = function (...place) {
      lookUps++;
      return nthLatestBefore.apply(this, place);
    };
  });
  afterAll(() => {
    LogIndex.prototype.nthLatestBefore = nthLatestBefore;
  });

  it.each([
    ...SHAPES.map((each) => ({ rules: 'R1 to R20', ...each })),
    ...RICH_SHAPES.map((each) => ({ rules: 'S1 to S9', ...each })),
  ])('$rules: $name', ({ shape, runs }) => {
    fc.assert(
      fc.property(scripts(shape), indexedFrom, (script, indexedLengthMin) => {
        const options = { heldEventsMax: HUGE, restarts: true, sweeps: true };
        const expected = play(
          script,
          { ...options, tally },
          oraclePlay((limits) => new Oracle(limits)),
        );
        const actual = play(
          script,
          options,
          matcherPlay((limits) => new Matcher(limits, { indexedLengthMin })),
        );
        expect(firstDifference(actual, expected)).toBeNull();
      }),
      { numRuns: runs },
    );
  });

  it('and the histories reached every kind of outcome many times', () => {
    const kinds = ['held', 'unlisted', 'duplicate', 'too_late', 'in_future', 'several completions'];
    const features = ['completion', 'late', 'stale', 'once_per_lead', 'cooldown', 'three or more steps'];
    const orders = ['ordered', 'unordered'];
    const asked = ['any of several types', 'with a condition', 'with a count', 'with excluded types'];
    const wanted = [...orders.flatMap((order) => asked.map((each) => `${order}, ${each}`)), 'with gaps'];
    const rare = [...kinds, ...features, ...wanted].filter((name) => (tally.get(name) ?? 0) < 200);
    expect(rare, JSON.stringify([...tally])).toEqual([]);
    expect(lookUps).toBeGreaterThan(100_000);
  });
});
