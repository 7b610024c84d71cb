import { expect } from 'vitest';
import { waitFor } from './nats.ts';
import type { Stage } from './stage.ts';

/** Each lead fired once, each event was applied once, and it is the same process that does it all. */
export async function expectAllAppliedOnce(stage: Stage, leads: readonly string[]): Promise<void> {
  for (const lead of leads) await stage.waitForFire(lead);
  expect(await stage.fired()).toEqual([...leads].sort());
  await waitFor('the counts', async () => (await stage.applied('held')) >= 2 * leads.length);
  expect(await stage.applied('held')).toBe(2 * leads.length);
  expect(await stage.applied('duplicate')).toBe(0);
  await stage.waitForFiresReceived(leads.length);
  expect(stage.program.process.exitCode).toBeNull();
}
