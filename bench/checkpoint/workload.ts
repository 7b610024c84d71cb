import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import { seededRandom } from '../random.ts';

const SUBJECT = 'events.default';
const SEED = 11;
const TYPES = 200;
const STEPS = 3;
const WINDOW_SECONDS = 30 * 86_400;
/** Published before the server is asked whether it has them. */
const BLOCK = 10_000;
const PACE_MS = 1;

/**
 * Ordered sequences of three distinct types, drawn with the same skew as the events, over 30 days: whatever
 * the leads do during the benchmark stays held. They name no destination, so their fires are recorded only.
 */
export function sequenceBodies(count: number): object[] {
  const random = seededRandom(SEED);
  return Array.from({ length: count }, (_, index) => {
    const types = new Set<string>();
    while (types.size < STEPS) types.add(skewedType(random));
    return {
      name: `sequence ${index}`,
      event_types: [...types],
      window_seconds: WINDOW_SECONDS,
      ordered: true,
    };
  });
}

/** Events on their way. */
export interface Load {
  /** Resolves when the server has all that was published. */
  stop(): Promise<void>;
}

/** Events of `leads` leads, with ids that never repeat over the life of the object. */
export class Workload {
  readonly #client: NatsConnection;
  readonly #leads: number;
  readonly #random = seededRandom(SEED + 1);
  #published = 0;

  constructor(client: NatsConnection, leads: number) {
    this.#client = client;
    this.#leads = leads;
  }

  get published(): number {
    return this.#published;
  }

  /** Publishes `eventsPerLead` events of every lead, lead after lead; `pace` is awaited after each block. */
  async fill(eventsPerLead: number, pace: () => Promise<void>): Promise<void> {
    const total = this.#leads * eventsPerLead;
    while (this.#published < total) {
      const end = Math.min(total, this.#published + BLOCK);
      while (this.#published < end) this.#publish(this.#published % this.#leads);
      await this.#client.flush();
      await pace();
    }
  }

  /** Publishes at a fixed rate, leads uniform, until it is stopped. */
  startLoad(eventsPerSecond: number): Load {
    let stopping = false;
    const run = async (): Promise<void> => {
      const startedMs = performance.now();
      for (let sent = 0; !stopping; ) {
        const due = Math.floor(((performance.now() - startedMs) / 1_000) * eventsPerSecond);
        for (; sent < due; sent++) this.#publish(Math.floor(this.#random() * this.#leads));
        await sleep(PACE_MS);
      }
      await this.#client.flush();
    };
    const running = run();
    return {
      stop: () => {
        stopping = true;
        return running;
      },
    };
  }

  #publish(lead: number): void {
    const event = {
      id: `evt-${this.#published.toString(36).padStart(8, '0')}`,
      lead_id: `lead-${lead}`,
      event_type: skewedType(this.#random),
    };
    this.#published++;
    this.#client.publish(SUBJECT, JSON.stringify(event));
  }
}

function skewedType(random: () => number): string {
  return `type-${Math.floor(TYPES * random() ** 2)}`;
}
