import { createHash } from 'node:crypto';
import { Matcher } from '../../src/matcher/matcher.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import { LIMITS } from '../matcher/engine.ts';
import { blocksOf } from '../matcher/feed.ts';
import { sequencesOf } from '../matcher/sequences.ts';
import { CARD, scaled, type Workload } from '../matcher/workload.ts';
import { seededRandom } from '../random.ts';

/** The OU that the events are published under: `events.default`. */
const OU = 'default';
const BLOCK = 1_000;
const METADATA_SEED = 3;

/** Of the matcher's card, in events and leads alike, so that a lead has as many events as there. */
const SHARE_OF_CARD = 0.5;

/** Half of the matcher's card with 1,000 sequences: a million events of 50,000 leads, times the scale. */
export function cardOf(scale: number): Workload {
  return scaled({ ...CARD, sequences: 1_000 }, SHARE_OF_CARD * scale);
}

export function definitionsOf(card: Workload): SequenceDefinition[] {
  return sequencesOf(card).map((definition) => ({ ...definition, ou: OU }));
}

/** A matcher as the program would set it up, with all sequences of the card. */
export function matcherOf(card: Workload): Matcher {
  const matcher = new Matcher(LIMITS);
  for (const definition of definitionsOf(card)) matcher.setSequence(definition);
  return matcher;
}

/** The messages in blocks: the card's events with metadata as a web shop would send it, about 230 bytes each. */
export function* payloadsOf(card: Workload): Generator<string[]> {
  const random = seededRandom(METADATA_SEED);
  for (const { lines } of blocksOf(card, BLOCK)) {
    yield lines.map((line) => {
      const metadata = {
        page: `/catalogue/item-${Math.floor(random() * 10_000)}`,
        referrer: 'https://www.example.com/search',
        visit: Math.floor(random() * 1e9).toString(36),
        value: Math.floor(random() * 50_000) / 100,
      };
      return `${line.slice(0, -1)},"metadata":${JSON.stringify(metadata)}}`;
    });
  }
}

/** Fires as a count and a digest of which they were, in whatever order. */
export interface FireDigest {
  readonly fires: number;
  readonly hash: string;
}

/** One entry for a fire: sequence, lead and the events of the match by their ids. */
export function digestOfFires(
  fires: readonly {
    readonly sequence: string;
    readonly leadId: string;
    readonly events: readonly { readonly id: string }[];
  }[],
): FireDigest {
  const lines = fires.map(({ sequence, leadId, events }) =>
    [sequence, leadId, ...events.map(({ id }) => id)].join(' '),
  );
  const hash = createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 16);
  return { fires: lines.length, hash };
}

/** What a matcher says of the same events, without a stream, a program or a store. */
export function firesOfMatcher(card: Workload): FireDigest {
  const matcher = matcherOf(card);
  const fires: Parameters<typeof digestOfFires>[0][number][] = [];
  for (const { events } of blocksOf(card, BLOCK)) {
    for (const event of events()) {
      const outcome = matcher.apply({ ...event, ou: OU });
      if (outcome.kind !== 'held') continue;
      for (const { sequenceId, events } of outcome.completions) {
        fires.push({ sequence: sequenceId, leadId: event.leadId, events });
      }
    }
  }
  return digestOfFires(fires);
}
