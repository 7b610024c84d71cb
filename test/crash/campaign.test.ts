import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { runCampaign } from './campaign.ts';
import { TARGETS } from './plannedStrikes.ts';
import { built } from './processes.ts';
import { describe as describeCampaign } from './report.ts';

const KILLS = 10;
const seed = Number(process.env.SEED ?? 21);

it(`a campaign of ${KILLS} kills ends with the fires, webhooks and rejections that the rules ask for (SEED=${seed})`, async () => {
  const result = await runCampaign({ seed, kills: KILLS, secondsMax: Number.POSITIVE_INFINITY });
  const report = describeCampaign(result);
  expect(result.differences, report).toEqual([]);
  expect(new Set(result.kills.map(({ target }) => target))).toEqual(new Set(TARGETS));
  expect(result.kills).toHaveLength(KILLS);
  // A campaign in which hardly anything happens would find nothing.
  expect(result.expected.fires.size).toBeGreaterThan(100);
  expect(result.changes.length).toBeGreaterThan(24);
  expect(result.observed.loadedPositions.length).toBeGreaterThan(2);
  expect([...result.expected.rejections.values()].every(({ size }) => size > 0)).toBe(true);
  expect(report).toContain(`npm run test:crash -- --kills ${KILLS} --seed ${seed}`);
}, 240_000);

it.each([
  [['--kills', 'many'], '--kills is "many"; it is a whole number, at least 1'],
  [['--minutes-max', '0'], '--minutes-max is "0"; it is a whole number, at least 1'],
  [['--seed', '-1'], '--seed'],
  [['--speed', '1'], '--speed'],
])('the command refuses %j with a sentence and its usage', (args, sentence) => {
  const { status, stderr } = spawnSync(process.execPath, [built('test/crash/run.js'), ...args], {
    encoding: 'utf8',
  });
  expect(status).toBe(2);
  expect(stderr).toContain(sentence);
  expect(stderr).toContain('usage: npm run test:crash');
  expect(stderr).not.toContain('    at ');
});
