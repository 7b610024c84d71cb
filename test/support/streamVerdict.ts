import { expect } from 'vitest';
import { metricOf, readinessOf } from './program.ts';
import type { Stage } from './stage.ts';

type Verdict = 'fresh' | 'resume' | 'retention_gap' | 'recreated' | 'rolled_back' | 'other_stream';

const VERDICTS: readonly Verdict[] = [
  'fresh',
  'resume',
  'retention_gap',
  'recreated',
  'rolled_back',
  'other_stream',
];

/** The one verdict that the metrics show, and whether the program is halted by it. */
async function verdictInMetrics({ program }: Stage) {
  const values = await Promise.all(
    VERDICTS.map((verdict) => metricOf(program, `stream_verdict{verdict="${verdict}"}`)),
  );
  return {
    verdicts: VERDICTS.filter((_, index) => values[index] === 1),
    halted: (await metricOf(program, 'stream_halted')) === 1,
  };
}

/** Lines of the log that name a verdict. */
function verdictsInLog({ program }: Stage) {
  return program
    .log()
    .split('\n')
    .filter((line) => line.includes('"verdict":{'))
    .map((line) => JSON.parse(line) as { level: unknown; verdict: { outcome: string }; msg: string });
}

/** Waits for the program to halt by this verdict, which has to be named everywhere. Gives the reason. */
export async function expectHalt(stage: Stage, verdict: Verdict): Promise<string> {
  const reason = new RegExp(`(^|; )${verdict}: .*ON_STREAM_MISMATCH=accept`);
  const found = await stage.waitForTrouble(reason);
  expect(found.stream).toEqual({ verdict, policy: 'halt', halted: true });
  expect(await verdictInMetrics(stage)).toEqual({ verdicts: [verdict], halted: true });
  const line = verdictsInLog(stage).at(-1);
  expect(line?.verdict.outcome).toBe(verdict);
  expect(line?.msg.startsWith(`${verdict}: `)).toBe(true);
  await stage.program.call('GET', '/sequences');
  return found.reasons;
}

/** Waits for the program to read after this verdict, which has to be named everywhere. */
export async function expectGoingOn(
  stage: Stage,
  verdict: Verdict,
  policy: 'halt' | 'accept',
): Promise<void> {
  await stage.waitForReadiness();
  const { stream } = await readinessOf(stage.program);
  expect(stream).toEqual({ verdict, policy, halted: false });
  expect(await verdictInMetrics(stage)).toEqual({ verdicts: [verdict], halted: false });
  const line = verdictsInLog(stage).at(-1);
  expect(line?.verdict.outcome).toBe(verdict);
  const isHarmless = verdict === 'fresh' || verdict === 'resume';
  expect(line?.msg).toMatch(isHarmless ? /^found the stream$/ : /Accepted by ON_STREAM_MISMATCH=accept/);
}

/** Stops a program that is halted by this verdict and has the next start accept it, as an operator does. */
export async function acceptAtRestart(stage: Stage, verdict: Verdict): Promise<void> {
  expect(await stage.program.stop()).toBe(0);
  await stage.start({ ON_STREAM_MISMATCH: 'accept' });
  await expectGoingOn(stage, verdict, 'accept');
}
