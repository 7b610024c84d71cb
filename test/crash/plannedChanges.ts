import { Dice } from './dice.ts';
import { drawType } from './plannedMessages.ts';

/** The fields of a sequence that decide on matching and delivery, in the words of the API. */
export interface SequenceBody {
  readonly name: string;
  readonly event_types: readonly string[];
  readonly window_seconds: number;
  readonly ordered: boolean;
  readonly active: boolean;
  readonly refire: {
    readonly mode: 'every' | 'once_per_lead' | 'cooldown';
    readonly cooldown_seconds: number | null;
  };
  readonly max_fire_delay_seconds: number | null;
  readonly webhook_url: string | null;
}

/** What to do next, as far as it does not depend on which sequences there are. */
export interface PlannedChange {
  readonly pauseMs: number;
  /** In [0, 1): create, delete, rotate or edit. */
  readonly kind: number;
  /** In [0, 1): which of the sequences that there are. */
  readonly which: number;
  /** A whole new sequence; of an edit, the fields below count. */
  readonly draft: SequenceBody;
  readonly fields: readonly (keyof SequenceBody)[];
}

const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 600;

/** `receiverUrl` is where webhooks go, on a path that tells the change apart. */
export function plannedChange(seed: number, ou: string, index: number, receiverUrl: string): PlannedChange {
  const dice = new Dice(seed, `change of ${ou}`, index);
  const draft = drawSequence(dice, index, `${receiverUrl}/hook/${ou}/${index}`);
  const fields = Object.keys(draft) as (keyof SequenceBody)[];
  return {
    pauseMs: dice.integer(PAUSE_MS_MIN, PAUSE_MS_MAX),
    kind: dice.fraction(),
    which: dice.fraction(),
    draft,
    fields: dice.shuffled(fields).slice(0, dice.integer(1, 3)),
  };
}

function drawSequence(dice: Dice, index: number, webhookUrl: string): SequenceBody {
  const mode = dice.pick(['every', 'every', 'every', 'once_per_lead', 'cooldown', 'cooldown'] as const);
  return {
    name: `sequence of change ${index}`,
    event_types: Array.from({ length: dice.pick([1, 2, 2, 2, 3, 3, 4]) }, () => drawType(dice)),
    window_seconds: dice.integer(1, 8),
    ordered: dice.chance(0.6),
    active: dice.chance(0.9),
    refire: { mode, cooldown_seconds: mode === 'cooldown' ? dice.integer(1, 5) : null },
    max_fire_delay_seconds: dice.chance(0.3) ? dice.integer(1, 4) : null,
    webhook_url: dice.chance(0.9) ? webhookUrl : null,
  };
}
