import type { Refire } from '../model/triggerBase.ts';

/** Why the policy holds a completion or a crossing back; null when it fires. */
export type Suppression = 'once_per_lead' | 'cooldown' | null;

/**
 * The re-fire policy (R18).
 *
 * @param lastFireMicros event time of the last one that was not held back; NaN: none yet
 * @param completedAtMicros event time of this one
 */
export function suppression(refire: Refire, lastFireMicros: number, completedAtMicros: number): Suppression {
  if (refire.mode === 'every' || Number.isNaN(lastFireMicros)) return null;
  if (refire.mode === 'once_per_lead') return 'once_per_lead';
  return completedAtMicros - lastFireMicros < refire.cooldownSeconds * 1e6 ? 'cooldown' : null;
}
