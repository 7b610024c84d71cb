import { describe, expect, it } from 'vitest';
import { HistoryKeeper } from '../../../src/outbox/historyKeeper.ts';
import type { ClockMemory, HistoryPort, RemovalStep } from '../../../src/outbox/ports.ts';
import { aLog, type LogLine, until } from '../../support/outbox.ts';

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const START_MS = Date.UTC(2026, 0, 1);
const MAX_AGE_MS = 90 * DAY_MS;
const NOTHING: RemovalStep = { removed: { fires: 0, deliveries: 0, attempts: 0 }, kept: 0, next: null };

/** A history that writes down what it is asked for, clocks to turn, and a keeper over them. */
function setUp(maxAgeMs = MAX_AGE_MS) {
  const state = {
    wallMs: START_MS,
    arrivalMs: START_MS as number | null,
    memory: null as ClockMemory | null,
    /** The times up to which removals were asked for. */
    asked: [] as number[],
    /** Where each of these began. */
    from: [] as RemovalStep['next'][],
    steps: [] as RemovalStep[],
    removedCounts: [] as object[],
    lines: [] as LogLine[],
    failNextStep: false,
  };
  const history: HistoryPort = {
    arrivalClockMs: () => state.arrivalMs,
    clockMemory: () => state.memory,
    rememberClock: async (memory) => {
      state.memory = memory;
    },
    removeStep: async (from, untilMs) => {
      if (state.failNextStep) {
        state.failNextStep = false;
        throw new Error('the disk is full');
      }
      state.asked.push(untilMs);
      state.from.push(from);
      return state.steps.shift() ?? NOTHING;
    },
    removeSequencesStep: async () => ({ removed: 0, next: null }),
  };
  const newKeeper = () =>
    new HistoryKeeper({
      history,
      maxAgeMs,
      log: aLog(state.lines),
      metrics: { onRemoved: (rows) => state.removedCounts.push(rows) },
      now: () => state.wallMs,
    });
  const keeper = newKeeper();
  /** Both clocks go on by so much, and a round follows. */
  const roundAfter = async (passedMs: number, by = keeper) => {
    state.wallMs += passedMs;
    state.arrivalMs = state.wallMs;
    await by.round();
  };
  /** An hour passes before each of so many rounds. */
  const hours = async (count: number) => {
    for (let hour = 0; hour < count; hour += 1) await roundAfter(HOUR_MS);
  };
  return { state, keeper, newKeeper, roundAfter, hours };
}

/** One that has run for long enough to trust its clock. */
async function setUpTrusting() {
  const made = setUp();
  await made.roundAfter(0);
  await made.hours(24);
  made.state.asked.length = 0;
  return made;
}

describe('the age of what is removed', () => {
  it('counts from the slower of the wall clock and the arrival clock of the stream', async () => {
    const { state, keeper } = await setUpTrusting();
    const nowMs = state.wallMs;
    state.arrivalMs = nowMs - 3 * HOUR_MS;
    await keeper.round();
    state.arrivalMs = nowMs + YEAR_MS;
    await keeper.round();
    expect(state.asked).toEqual([nowMs - 3 * HOUR_MS - MAX_AGE_MS, nowMs - MAX_AGE_MS]);
  });

  it('is not known before the first checkpoint, and nothing is removed', async () => {
    const { state, keeper } = await setUpTrusting();
    state.arrivalMs = null;
    await keeper.round();
    expect(state.asked).toEqual([]);
  });
});

describe('a wall clock that leaps ahead by years', () => {
  it('removes nothing for a day, says so, and is believed when it goes on steadily', async () => {
    const { state, roundAfter, hours } = await setUpTrusting();
    await roundAfter(10 * YEAR_MS);
    const warning = state.lines.find(({ level }) => level === 'warn');
    expect(warning?.fields).toEqual({
      lastRound: new Date(state.wallMs - 10 * YEAR_MS).toISOString(),
      removesFrom: new Date(state.wallMs + DAY_MS).toISOString(),
    });
    await hours(23);
    expect(state.asked).toEqual([]);
    await hours(1);
    expect(state.asked).toEqual([state.wallMs - MAX_AGE_MS]);
    expect(state.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('while the program was down removes nothing for a day either', async () => {
    const { state, newKeeper, roundAfter } = await setUpTrusting();
    await roundAfter(10 * YEAR_MS, newKeeper());
    expect(state.asked).toEqual([]);
    expect(state.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('and is set right again has removed nothing, and removals go on a day later at the latest', async () => {
    const { state, roundAfter, hours } = await setUpTrusting();
    await roundAfter(10 * YEAR_MS);
    await roundAfter(-10 * YEAR_MS);
    expect(state.asked).toEqual([]);
    await hours(24);
    expect(state.asked).toEqual([state.wallMs - MAX_AGE_MS]);
  });

  it('twice waits a day after the second leap', async () => {
    const { state, roundAfter, hours } = await setUpTrusting();
    await roundAfter(YEAR_MS);
    await hours(12);
    await roundAfter(YEAR_MS);
    await hours(23);
    expect(state.asked).toEqual([]);
    await hours(1);
    expect(state.asked).toHaveLength(1);
  });
});

describe('the first round ever', () => {
  it('removes nothing, because it has nothing to compare the clock with, and warns of nothing', async () => {
    const { state, roundAfter, hours } = setUp();
    await roundAfter(0);
    await hours(23);
    expect(state.asked).toEqual([]);
    await hours(1);
    expect(state.asked).toHaveLength(1);
    expect(state.lines).toEqual([]);
  });

  it('waits for the age only, where that is shorter than a day', async () => {
    const { state, roundAfter } = setUp(60_000);
    await roundAfter(0);
    await roundAfter(59_999);
    expect(state.asked).toEqual([]);
    await roundAfter(1);
    expect(state.asked).toHaveLength(1);
  });
});

describe('a round', () => {
  it('takes steps until the walk is through, counts each, and logs one line when it removed something', async () => {
    const { state, keeper } = await setUpTrusting();
    const next = { ou: 'acme', behind: null };
    state.steps.push({ removed: { fires: 2, deliveries: 3, attempts: 4 }, kept: 1, next });
    state.steps.push({ removed: { fires: 5, deliveries: 0, attempts: 0 }, kept: 2, next: null });
    state.removedCounts.length = 0;
    await keeper.round();
    expect(state.from.slice(-2)).toEqual([null, next]);
    expect(state.removedCounts).toEqual([
      { fires: 2, deliveries: 3, attempts: 4 },
      { fires: 5, deliveries: 0, attempts: 0 },
      { sequences: 0 },
    ]);
    const olderThan = new Date(state.wallMs - MAX_AGE_MS).toISOString();
    expect(state.lines).toEqual([
      {
        level: 'info',
        message: 'removed old history',
        fields: { fires: 7, deliveries: 3, attempts: 4, kept: 3, sequences: 0, olderThan },
      },
    ]);
    await keeper.round();
    expect(state.lines).toHaveLength(1);
  });

  it('that fails is said, and the next one tries again', async () => {
    const { state, newKeeper } = setUp(1000);
    state.memory = { seenMs: state.wallMs, trustedFromMs: state.wallMs };
    state.failNextStep = true;
    const keeper = newKeeper();
    keeper.start();
    await until(() => state.asked.length > 0);
    await keeper.stop();
    expect(state.lines.map(({ level }) => level)).toEqual(['error']);
  });

  it('ends with the step under way when the keeper is stopped', async () => {
    const { state, newKeeper } = setUp();
    state.memory = { seenMs: state.wallMs, trustedFromMs: state.wallMs };
    const endless = { ...NOTHING, next: { ou: 'acme', behind: null } };
    state.steps = Array.from({ length: 1000 }, () => endless);
    const keeper = newKeeper();
    keeper.start();
    await until(() => state.asked.length > 1);
    await keeper.stop();
    const asked = state.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(state.asked).toHaveLength(asked);
    expect(asked).toBeLessThan(1000);
  });
});
