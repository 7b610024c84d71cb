import type { Chance } from '../support/simulatedTime.ts';

/**
 * What kind of world a seed makes. Each fault is absent from many seeds and frequent in others, since worlds
 * in which everything happens a little all look alike (swarm testing, Groce et al., ISSTA 2012).
 */
export interface Profile {
  readonly activeMs: number;
  readonly ous: number;
  readonly leads: number;
  readonly types: number;
  /** Event ids drawn from so many; 0: every event has its own. */
  readonly sharedIds: number;
  readonly messages: number;
  readonly longSilence: boolean;
  readonly malformedShare: number;
  readonly retriedShare: number;
  readonly lateShare: number;
  readonly repeatedShare: number;
  readonly latenessSeconds: number;
  readonly windowSecondsMax: number;
  readonly changes: number;
  readonly crashes: number;
  readonly stops: number;
  readonly diskFaults: number;
  readonly streamFaults: number;
  readonly rejectedFaults: number;
  readonly receiverChanges: number;
  readonly clockSteps: number;
  readonly clockStepMsMax: number;
  readonly emailUnconfiguredShare: number;
  readonly commitMsMax: number;
  readonly flushMsMax: number;
  readonly checkpointIntervalMs: number;
  readonly leadsPerTurn: number;
  readonly attemptsMax: number;
  readonly webhookTimeoutMs: number;
  readonly retryDelaysMs: readonly number[];
  /** Between two leads that are loaded. */
  readonly loadIntervalMs: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const SCHEDULES: readonly (readonly number[])[] = [
  [0, SECOND, 5 * SECOND, 30 * SECOND],
  [0, 5 * SECOND, 5 * MINUTE, 30 * MINUTE],
  [2 * SECOND, 2 * SECOND],
  [0, 100, 100, 100, 100, 100],
];

export function drawProfile(chance: Chance): Profile {
  const sometimes = (probability: number, most: number): number =>
    chance.happens(probability) ? chance.integer(1, most) : 0;
  const share = (probability: number, most: number): number =>
    chance.happens(probability) ? chance.between(0, most) : 0;
  return {
    activeMs: chance.between(20 * SECOND, 4 * MINUTE),
    ous: chance.integer(1, 2),
    leads: chance.integer(1, 4),
    types: chance.integer(2, 4),
    sharedIds: sometimes(0.4, 30),
    messages: chance.integer(10, 90),
    longSilence: chance.happens(0.3),
    malformedShare: share(0.5, 0.3),
    retriedShare: share(0.5, 0.3),
    lateShare: share(0.6, 0.5),
    repeatedShare: share(0.5, 0.5),
    latenessSeconds: chance.pick([0, 2, 20]),
    windowSecondsMax: chance.pick([3, 10, 60]),
    changes: chance.integer(2, 14),
    crashes: sometimes(0.75, 5),
    stops: sometimes(0.4, 2),
    diskFaults: sometimes(0.4, 4),
    streamFaults: sometimes(0.4, 4),
    rejectedFaults: sometimes(0.4, 3),
    receiverChanges: sometimes(0.8, 12),
    clockSteps: sometimes(0.3, 3),
    clockStepMsMax: chance.pick([SECOND, MINUTE, 30 * MINUTE, 240 * MINUTE]),
    emailUnconfiguredShare: share(0.5, 1),
    commitMsMax: chance.pick([1, 20, 500]),
    flushMsMax: chance.pick([1, 50, 3_000]),
    checkpointIntervalMs: chance.pick([300, 2 * SECOND, 20 * SECOND, 5 * MINUTE]),
    leadsPerTurn: chance.integer(1, 3),
    attemptsMax: chance.pick([2, 4, 64]),
    webhookTimeoutMs: chance.pick([SECOND, 15 * SECOND]),
    retryDelaysMs: chance.pick(SCHEDULES),
    loadIntervalMs: chance.pick([1, SECOND, 10 * SECOND]),
  };
}
