import { seededRandom } from '../random.ts';
import type { Workload } from './run.ts';
import { orderedSequence, type ScriptedEvent, scriptedEvents } from './scripted.ts';

const SEED = 7;
const TYPES = 'ABCD';
const SEQUENCES = 40;
const LEADS = 80;

/**
 * What the card has not: sequences of two to four steps that list a type more than once, windows of 2 to 9 s,
 * and leads of two to seven events, each one or two seconds after the one before it or, with 0 as the least,
 * often in the same instant.
 */
export function shortHistories({ secondsBetweenMin }: { secondsBetweenMin: 0 | 1 }): Workload {
  const random = seededRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  const type = () => TYPES[below(TYPES.length)]!;
  const sequences = Array.from({ length: SEQUENCES }, (_, index) => {
    const eventTypes = Array.from({ length: 2 + below(3) }, type);
    return orderedSequence(`seq-${index}`, eventTypes, 2 + below(8));
  });
  const events: ScriptedEvent[] = [];
  for (let lead = 0; lead < LEADS; lead++) {
    let seconds = 0;
    for (let left = 2 + below(6); left > 0; left--) {
      seconds += secondsBetweenMin + below(2);
      events.push({ leadId: `lead-${lead}`, type: type(), seconds });
    }
  }
  return { sequences, blocks: () => [scriptedEvents(events)] };
}
