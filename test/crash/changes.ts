import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { waitFor } from '../support/nats.ts';
import { type PlannedChange, plannedChange, type SequenceBody } from './plannedChanges.ts';
import type { Answer, AuditLine, ProgramProcess } from './programProcess.ts';

/** A sequence as it stood from one change of it to the next. */
export interface SequenceVersion {
  readonly ou: string;
  readonly id: string;
  readonly version: number;
  readonly body: SequenceBody;
  /** Position of the last change that makes completions before it not count (R16, R17). */
  readonly effectiveFrom: number;
  /**
   * What has signed its webhooks. Later ones may be missing, by a kill that cut off the answer, since the earlier
   * ones sign along; null where the first is not known.
   */
  readonly secrets: readonly string[] | null;
}

/** A change that happened, at the stream position that the program's log tells; `after` is null for a deletion. */
export interface MadeChange {
  readonly position: number;
  readonly ou: string;
  readonly id: string;
  readonly after: SequenceVersion | null;
}

/** A request that a kill left without an answer, and whether it had taken effect all the same. */
export interface UnansweredChange {
  readonly tookEffect: boolean;
}

interface SequenceView extends SequenceBody {
  readonly id: string;
  readonly version: number;
  readonly webhook_secret?: string;
}

/** One request, and how to see later whether it took effect. */
interface Wish {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
  /** What the log calls it. */
  readonly kind: AuditLine['kind'];
  /** The form that it leads to, as the API shows it now; undefined while it has not taken effect. */
  look(): Promise<SequenceView | 'deleted' | undefined>;
}

const SEQUENCES_MIN = 8;
const SEQUENCES_MAX = 16;
const REPEAT_PAUSE_MS = 10;
const LOOK_MS_MAX = 60_000;

/**
 * Changes the sequences of an OU through the API, one after the other, and keeps what happened where. A request without a
 * good answer is not simply repeated: it may have taken effect before the program was killed. A look at the
 * sequence in the next life tells.
 */
export class Changer {
  readonly made: MadeChange[] = [];
  readonly unanswered: UnansweredChange[] = [];
  readonly #program: ProgramProcess;
  readonly #seed: number;
  readonly #ou: string;
  readonly #receiverUrl: () => string;
  readonly #current = new Map<string, SequenceVersion>();
  #next = 0;
  #isStopping = false;

  constructor(program: ProgramProcess, seed: number, ou: string, receiverUrl: () => string) {
    this.#program = program;
    this.#seed = seed;
    this.#ou = ou;
    this.#receiverUrl = receiverUrl;
  }

  /** Creates the sequences that there have to be at least. */
  async prepare(): Promise<void> {
    while (this.#current.size < SEQUENCES_MIN) await this.#make(this.#creation(this.#plan()));
  }

  /** Makes the planned changes until `stop`. */
  async run(): Promise<void> {
    while (!this.#isStopping) {
      const plan = this.#plan();
      await sleep(plan.pauseMs);
      await this.#make(this.#wish(plan));
    }
  }

  stop(): void {
    this.#isStopping = true;
  }

  #plan(): PlannedChange {
    return plannedChange(this.#seed, this.#ou, this.#next++, this.#receiverUrl());
  }

  #wish(plan: PlannedChange): Wish {
    const present = [...this.#current.values()];
    const one = present[Math.floor(plan.which * present.length)];
    if (one === undefined || present.length < SEQUENCES_MIN) return this.#creation(plan);
    if (plan.kind < 0.2 && present.length < SEQUENCES_MAX) return this.#creation(plan);
    if (plan.kind < 0.35 || present.length >= SEQUENCES_MAX) return this.#deletion(one);
    if (plan.kind < 0.42) return this.#change(one, 'POST', `/sequences/${one.id}/rotate-secret`, {});
    const patch = Object.fromEntries(plan.fields.map((field) => [field, plan.draft[field]]));
    return this.#change(one, 'PATCH', `/sequences/${one.id}`, patch);
  }

  #creation({ draft }: PlannedChange): Wish {
    const look = async () => {
      const { body } = await this.#ask('/sequences');
      // Names are unique: they count the changes.
      const { sequences } = body as { sequences: SequenceView[] };
      return sequences.find(({ name }) => name === draft.name);
    };
    return { method: 'POST', path: '/sequences', body: draft, kind: 'created', look };
  }

  #deletion({ id }: SequenceVersion): Wish {
    const path = `/sequences/${id}`;
    const look = async () => ((await this.#ask(path)).status === 404 ? 'deleted' : undefined);
    return { method: 'DELETE', path, kind: 'deleted', look };
  }

  #change({ id, version }: SequenceVersion, method: string, path: string, body: object): Wish {
    const look = async () => {
      const view = (await this.#ask(`/sequences/${id}`)).body as SequenceView;
      return view.version > version ? view : undefined;
    };
    return { method, path, body, kind: 'updated', look };
  }

  /** Repeats the wish until it took effect. */
  async #make(wish: Wish): Promise<void> {
    for (;;) {
      // An earlier attempt may have been logged too, before it was lost.
      const linesBefore = this.#program.audit.length;
      const result = await this.#attempt(wish);
      if (result !== undefined) return this.#note(wish, result, linesBefore);
      await sleep(REPEAT_PAUSE_MS);
    }
  }

  async #attempt(wish: Wish): Promise<SequenceView | 'deleted' | undefined> {
    const answer = await this.#program
      .request(this.#ou, wish.method, wish.path, wish.body)
      .catch(() => undefined);
    if (answer?.status === 204) return 'deleted';
    if (answer?.status === 200 || answer?.status === 201) return answer.body as SequenceView;
    // A program that is not ready gives 503; anything else but silence is a mistake of ours.
    if (answer?.status === 503) return undefined;
    if (answer !== undefined) {
      const refusal = `${answer.status}: ${JSON.stringify(answer.body)}`;
      throw new Error(`${wish.method} ${wish.path} was answered ${refusal}`);
    }
    const found = await waitFor(
      'a look at the sequence',
      async () => ({ view: await wish.look() }),
      LOOK_MS_MAX,
    );
    this.unanswered.push({ tookEffect: found.view !== undefined });
    return found.view;
  }

  async #ask(path: string): Promise<Answer> {
    const answer = await this.#program.request(this.#ou, 'GET', path);
    if (answer.status !== 200 && answer.status !== 404) throw new Error(`GET ${path}: ${answer.status}`);
    return answer;
  }

  async #note(wish: Wish, result: SequenceView | 'deleted', linesBefore: number): Promise<void> {
    const id = result === 'deleted' ? wish.path.split('/').at(-1)! : result.id;
    const before = this.#current.get(id);
    const version = result === 'deleted' ? before!.version : result.version;
    // An edit to what stands already changes nothing.
    if (result !== 'deleted' && before?.version === version) return;
    const { effectivePosition: position } = await waitFor(`the log to tell of the change of ${id}`, () =>
      this.#program.audit
        .slice(linesBefore)
        .find((line) => line.sequenceId === id && line.kind === wish.kind && line.version === version),
    );
    const after = result === 'deleted' ? null : versionOf(this.#ou, result, before, position);
    this.made.push({ position, ou: this.#ou, id, after });
    if (after === null) this.#current.delete(id);
    else this.#current.set(id, after);
  }
}

function versionOf(
  ou: string,
  view: SequenceView,
  before: SequenceVersion | undefined,
  position: number,
): SequenceVersion {
  const { id, version, webhook_secret: secret } = view;
  const { name, event_types, window_seconds, ordered, active, refire, max_fire_delay_seconds, webhook_url } =
    view;
  const body = {
    name,
    event_types,
    window_seconds,
    ordered,
    active,
    refire,
    max_fire_delay_seconds,
    webhook_url,
  };
  return {
    ou,
    id,
    version,
    body,
    effectiveFrom: before === undefined || startsAnew(before.body, body) ? position : before.effectiveFrom,
    secrets: secretsOf(before, secret),
  };
}

function secretsOf(
  before: SequenceVersion | undefined,
  secret: string | undefined,
): readonly string[] | null {
  const earlier = before === undefined ? [] : before.secrets;
  if (secret !== undefined) return earlier && [...earlier, secret];
  return before === undefined ? null : earlier;
}

/** R16 and R17: other steps, another window or order, or an activation. */
function startsAnew(before: SequenceBody, after: SequenceBody): boolean {
  return (
    !isDeepStrictEqual(before.event_types, after.event_types) ||
    before.window_seconds !== after.window_seconds ||
    before.ordered !== after.ordered ||
    (after.active && !before.active)
  );
}
