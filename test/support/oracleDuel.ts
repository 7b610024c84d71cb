import type { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadEvent } from '../../src/model/event.ts';
import type { SequenceDefinition } from '../../src/model/sequence.ts';
import type { OracleCompletion, OracleOutcome } from './oracle.ts';
import { normalized, SECOND_MICROS, type Subject } from './oracleBench.ts';
import { definitionOfDraft, EventWriter, edited, OUS, type Script, sequenceIdOf } from './oracleScripts.ts';
import { stepsOf } from './oracleSteps.ts';
import { restarted } from './oracleSubjects.ts';

/** How often each result was seen, so that a generator that no longer reaches a rule is noticed. */
export type Tally = Map<string, number>;

export interface DuelOptions {
  readonly heldEventsMax: number;
  /** Whether the commands `restart` and `sweep` are carried out or passed over. */
  readonly restarts: boolean;
  readonly sweeps: boolean;
  readonly tally?: Tally;
}

/** One step of a script as it was played: what was applied and what came of it. */
export interface Turn {
  readonly event: LeadEvent;
  readonly outcome: OracleOutcome;
}

interface Play {
  readonly create: (limits: Limits) => Subject;
  readonly restart: (subject: Subject, limits: Limits, definitions: readonly SequenceDefinition[]) => Subject;
  readonly sweep: (subject: Subject, leadsMax: number) => void;
}

interface Limits {
  readonly allowedLatenessMicros: number;
  readonly futureSkewMicros: number;
  readonly heldEventsMax: number;
}

/** Plays a script and returns every outcome, in order. */
export function play(script: Script, options: DuelOptions, how: Play): Turn[] {
  const limits: Limits = {
    allowedLatenessMicros: script.latenessSeconds * SECOND_MICROS,
    futureSkewMicros: script.skewSeconds * SECOND_MICROS,
    heldEventsMax: options.heldEventsMax,
  };
  let subject = how.create(limits);
  const definitions = new Map<string, SequenceDefinition>();
  const writer = new EventWriter();
  const turns: Turn[] = [];
  const set = (definition: SequenceDefinition): void => {
    definitions.set(`${definition.ou}/${definition.id}`, definition);
    subject.setSequence(definition);
  };

  for (const draft of script.sequences) set(definitionOfDraft(draft, 0));
  for (const command of script.commands) {
    switch (command.kind) {
      case 'event': {
        const event = writer.event(command);
        const outcome = normalized(subject.apply(event));
        turns.push({ event, outcome });
        if (options.tally !== undefined) count(options.tally, event.ou, outcome, definitions);
        break;
      }
      case 'set': {
        const wanted = definitionOfDraft(command.draft, writer.streamSequence);
        if (!definitions.has(`${wanted.ou}/${wanted.id}`)) set(wanted);
        break;
      }
      case 'edit': {
        const key = `${OUS[command.draft.ou]}/${sequenceIdOf(command.draft)}`;
        const before = definitions.get(key);
        if (before !== undefined) set(edited(before, command.draft, command.fields, writer.streamSequence));
        break;
      }
      case 'remove': {
        const ou = OUS[command.ou]!;
        const id = sequenceIdOf(command);
        if (definitions.delete(`${ou}/${id}`)) subject.removeSequence(ou, id);
        break;
      }
      case 'restart':
        if (options.restarts) subject = how.restart(subject, limits, [...definitions.values()]);
        break;
      case 'sweep':
        if (options.sweeps) how.sweep(subject, command.leadsMax);
        break;
    }
  }
  return turns;
}

/** How the matcher plays: restarts go through the encoded leads, sweeps through its own clock. */
export function matcherPlay(create: (limits: Limits) => Matcher): Play {
  // A play starts from `create`, so its subject is always the matcher that was created or restarted last.
  let current: Matcher | undefined;
  const the = (): Matcher => {
    if (current === undefined) throw new Error('the play has not started');
    return current;
  };
  return {
    create: (limits) => {
      current = create(limits);
      return current;
    },
    restart: (_, limits, definitions) => {
      const define = (fresh: Matcher): void => {
        for (const definition of definitions) fresh.setSequence(definition);
      };
      current = restarted(the(), limits, define, create(limits));
      return current;
    },
    sweep: (_, leadsMax) => {
      the().forgetSilent(leadsMax, the().silentBefore());
    },
  };
}

/** The oracle knows neither restarts nor sweeps: neither may be noticed. */
export function oraclePlay(create: (limits: Limits) => Subject): Play {
  return { create, restart: (subject) => subject, sweep: () => {} };
}

/** The first turn at which two plays of one script differ, told for the reader of a failure; null if none. */
export function firstDifference(actual: readonly Turn[], expected: readonly Turn[]): string | null {
  const index = expected.findIndex((turn, i) => canonical(turn.outcome) !== canonical(actual[i]?.outcome));
  if (index === -1) return actual.length === expected.length ? null : 'one play has more turns';
  const history = expected.slice(0, index + 1).map((turn) => describeEvent(turn.event));
  return [
    ...history,
    `expected: ${canonical(expected[index]?.outcome)}`,
    `actual:   ${canonical(actual[index]?.outcome)}`,
  ].join('\n');
}

function canonical(outcome: OracleOutcome | undefined): string {
  return JSON.stringify(outcome) ?? 'nothing';
}

function describeEvent(event: LeadEvent): string {
  const seconds = (micros: number): string => String(micros / SECOND_MICROS - 1_700_000_000);
  const times = `${seconds(event.timeMicros)} arriving ${seconds(event.arrivalMicros)}`;
  return `#${event.streamSequence} ${event.ou}/${event.leadId} ${event.type} ${event.id} at ${times}`;
}

function count(
  tally: Tally,
  ou: string,
  outcome: OracleOutcome,
  definitions: ReadonlyMap<string, SequenceDefinition>,
): void {
  const add = (name: string): void => {
    tally.set(name, (tally.get(name) ?? 0) + 1);
  };
  add(outcome.kind === 'rejected' ? outcome.reason : outcome.kind);
  if (outcome.kind !== 'held') return;
  if (outcome.completions.length > 1) add('several completions');
  for (const completion of outcome.completions) {
    for (const name of featuresOf(completion)) add(name);
    for (const name of kindsOf(definitions.get(`${ou}/${completion.sequenceId}`)!)) add(name);
  }
}

/** What a sequence asks for beyond plain types. */
function kindsOf({ eventTypes, exclude, ordered, maxGapMicros }: SequenceDefinition): string[] {
  const steps = stepsOf(eventTypes);
  const order = ordered ? 'ordered' : 'unordered';
  return [
    ...(steps.some(({ types }) => types.length > 1) ? [`${order}, any of several types`] : []),
    ...(steps.some(({ where }) => where !== null) ? [`${order}, with a condition`] : []),
    ...(eventTypes.some((entry) => typeof entry !== 'string' && entry.count > 1)
      ? [`${order}, with a count`]
      : []),
    ...(exclude !== undefined && exclude.length > 0 ? [`${order}, with excluded types`] : []),
    ...(ordered && steps.length > 2 && typeof maxGapMicros === 'number' ? ['with gaps'] : []),
  ];
}

function featuresOf(completion: OracleCompletion): string[] {
  return [
    'completion',
    ...(completion.late ? ['late'] : []),
    ...(completion.stale ? ['stale'] : []),
    ...(completion.suppressed === null ? [] : [completion.suppressed]),
    ...(completion.events.length >= 3 ? ['three or more steps'] : []),
  ];
}
