import { Dice } from './dice.ts';

export const TARGETS = ['program', 'nats-server', 'receiver', 'publisher'] as const;
export type Target = (typeof TARGETS)[number];

/**
 * running: at any moment · checkpoint: while one is being written · change: while a change of a sequence is
 * being written · starting: soon after the start, mostly before it is ready.
 */
export type Moment = 'running' | 'checkpoint' | 'change' | 'starting';

/** One SIGKILL. */
export interface Hit {
  readonly target: Target;
  readonly moment: Moment;
  /** From the end of the process, or with `starting` of the one before it, to its next start. */
  readonly downMs: number;
  /** From the start, or from what the log says of the checkpoint or the change, to the kill. */
  readonly afterMs: number;
}

/** Hits of one strike come one after the other on the same target, and at once on different ones. */
export interface Strike {
  /** Before it, since everything hit by the one before was started again. */
  readonly pauseMs: number;
  readonly hits: readonly Hit[];
  /** CHECKPOINT_INTERVAL_MS of a program that is started after it. */
  readonly checkpointIntervalMs: number;
}

const CHECKPOINT_INTERVALS_MS = [25, 100, 300, 1_000, 2_500];
const PAUSE_MS_MIN = 300;
const PAUSE_MS_MAX = 3_000;
const DOWN_MS_MAX = 1_200;
const AFTER_START_MS_MAX = 1_500;
const AFTER_LINE_MS_MAX = 6;

/** Strikes with as many kills as asked for. In every ten kills, each target and each moment occurs. */
export function plannedStrikes(seed: number, kills: number): Strike[] {
  const strikes: Strike[] = [];
  let left = kills;
  for (let index = 0; left > 0; index++) {
    const dice = new Dice(seed, 'strikes', index);
    for (const targets of dice.shuffled(deck(dice))) {
      const hits = targets.map(([target, moment]) => drawHit(dice, target, moment)).slice(0, left);
      if (hits.length === 0) break;
      left -= hits.length;
      strikes.push({
        pauseMs: dice.integer(PAUSE_MS_MIN, PAUSE_MS_MAX),
        hits,
        checkpointIntervalMs: dice.pick(CHECKPOINT_INTERVALS_MS),
      });
    }
  }
  return strikes;
}

/** Ten kills. */
function deck(dice: Dice): (readonly (readonly [Target, Moment])[])[] {
  const [one, other] = dice.shuffled(TARGETS);
  return [
    [['program', 'running']],
    [['program', 'checkpoint']],
    [['program', 'change']],
    [
      ['program', 'running'],
      ['program', 'starting'],
    ],
    [['nats-server', 'running']],
    [['receiver', 'running']],
    [['publisher', 'running']],
    [
      [one!, 'running'],
      [other!, 'running'],
    ],
  ];
}

function drawHit(dice: Dice, target: Target, moment: Moment): Hit {
  return {
    target,
    moment,
    downMs: dice.integer(0, DOWN_MS_MAX),
    afterMs: dice.integer(0, moment === 'starting' ? AFTER_START_MS_MAX : AFTER_LINE_MS_MAX),
  };
}
