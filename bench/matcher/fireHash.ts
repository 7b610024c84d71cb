import { createHash } from 'node:crypto';
import type { Match } from './engine.ts';

/** What one event completed. */
export interface Fired {
  readonly leadId: string;
  readonly matches: readonly Match[];
}

/**
 * Stands for all the work of a pass: equal hashes are equal fires, of equal events, in an equal order.
 *
 * SHA-256, first 16 hex digits, over one line per fire, in the order of the fires:
 *
 *     <sequence id> <lead id> <id of each event of the match, in step order> "\n"
 *
 * Every fire ends with the line feed, so the hash does not depend on the size of the blocks.
 */
export class FireHash {
  private readonly all = createHash('sha256');
  private readonly pairs: Set<string> | null;
  fires = 0;

  /** @param withPairs also remembers which (sequence, lead) fired at all, which costs memory. */
  constructor(withPairs: boolean) {
    this.pairs = withPairs ? new Set() : null;
  }

  add(block: readonly Fired[]): void {
    let text = '';
    for (const { leadId, matches } of block) {
      for (const { sequenceId, events } of matches) {
        this.fires++;
        text += `${sequenceId} ${leadId} ${events.map(({ id }) => id).join(' ')}\n`;
        this.pairs?.add(`${sequenceId} ${leadId}\n`);
      }
    }
    this.all.update(text);
  }

  digest(): string {
    return this.all.digest('hex').slice(0, 16);
  }

  /** The same for which (sequence, lead) fired at all, whatever the order: what R10 promises under disorder. */
  pairsDigest(): string {
    const hash = createHash('sha256');
    for (const pair of [...(this.pairs ?? [])].sort()) hash.update(pair);
    return hash.digest('hex').slice(0, 16);
  }
}
