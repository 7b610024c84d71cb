/** A line that an invariant rests on, and the test that must fail when it is gone. */
export interface Guard {
  /** Number in the table of invariants in ARCHITECTURE.md. */
  readonly invariant: number;
  /** What the line sees to. */
  readonly keeps: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly line: string;
  /** What stands there instead while the tests are tried. */
  readonly without: string;
  /** Test files, of which at least one test has to fail. */
  readonly heldBy: readonly string[];
}

const CATALOG = 'test/unit/engine/catalog.test.ts';
const ENGINE_CRASH = 'test/simulation/engineCrash.test.ts';
const OUTBOX = 'test/integration/outbox/durability.test.ts';
const DESTINATIONS = 'test/integration/outbox/destinations.test.ts';
const STORED_FIRES = 'test/unit/store/fires.test.ts';

export const GUARDS: readonly Guard[] = [
  {
    invariant: 1,
    keeps: 'a position is written after the lead states that it covers',
    file: 'src/engine/checkpointer.ts',
    line: 'return this.writeLeads(handles, reach);',
    without: 'return Promise.resolve(handles.length);',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 1,
    keeps: 'what a group wants written is written before the next group and the next turn of a checkpoint',
    file: 'src/engine/engine.ts',
    line: 'await Promise.all([',
    without: 'void Promise.all([',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 1,
    keeps: 'a mark of how far the store reaches is never lowered by a replay',
    file: 'src/store/highWater.ts',
    line: 'if (before !== null && before.position > reach.position && isNumberedAlike(before, reach)) return;',
    without: '',
    heldBy: ['test/unit/store/states.test.ts'],
  },
  {
    invariant: 2,
    keeps: 'a delivery is picked only after its row is on disk',
    file: 'src/store/fires.ts',
    line: 'await this.#environment.flushed();',
    without: '',
    heldBy: [STORED_FIRES],
  },
  {
    invariant: 2,
    keeps: 'a fire that a replay derives again is not sent again',
    file: 'src/store/fires.ts',
    line: 'if (this.rows.isStored(fire.id)) continue;',
    without: '',
    heldBy: [STORED_FIRES],
  },
  {
    invariant: 2,
    keeps: 'a fire that a replay could derive again is not removed, however old it is',
    file: 'src/store/history.ts',
    line: 'const coveredPosition = this.#states.checkpoint()?.position ?? 0;',
    without: 'const coveredPosition = Number.MAX_SAFE_INTEGER;',
    heldBy: ['test/unit/store/history.test.ts'],
  },
  {
    invariant: 3,
    keeps: 'a replay makes a change of a sequence where the first run made it',
    file: 'src/engine/engine.ts',
    line: 'this.options.catalog.replayThrough(position - 1);',
    without: '',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 3,
    keeps: 'no change is taken among what has happened already',
    file: 'src/engine/catalog.ts',
    line: 'if (this.replayEnd > position) return;',
    without: 'if (this.outstanding.length > 0) return;',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 3,
    keeps: 'a checkpoint in the midst of a replay keeps the changes that the replay has yet to reach',
    file: 'src/engine/engine.ts',
    line: 'changes: this.options.catalog.changesMade,',
    without: 'changes: this.options.store.changeCount(),',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 3,
    keeps: 'a replay does not count as over while messages are in hand',
    file: 'src/stream/feed.ts',
    line: 'this.#inHand = arrived.length;',
    without: '',
    heldBy: ['test/integration/stream/feed.test.ts'],
  },
  {
    invariant: 3,
    keeps: 'a change is on disk before it is acknowledged',
    file: 'src/engine/catalog.ts',
    line: 'return this.store.recordChange(change, this.currentMark());',
    without: 'void this.store.recordChange(change, this.currentMark()); return Promise.resolve();',
    heldBy: [CATALOG],
  },
  {
    invariant: 4,
    keeps: 'the consumer begins where the cursor on disk says',
    file: 'src/stream/pull.ts',
    line: 'deliver_policy: DeliverPolicy.StartSequence,',
    without: 'deliver_policy: DeliverPolicy.New,',
    heldBy: ['test/integration/stream/feed.test.ts'],
  },
  {
    invariant: 4,
    keeps: 'a stream that lost its end is not read under numbers that mean something else',
    file: 'src/stream/reconcile.ts',
    line: 'if (found.lastSequence < position || holdsAnotherMessage(mark, found)) {',
    without: 'if (found.lastSequence < position) {',
    heldBy: ['test/integration/stream/reconcile.test.ts'],
  },
  {
    invariant: 5,
    keeps: 'the matcher knows no clock but that of arrivals',
    file: 'src/matcher/matcher.ts',
    line: 'if (event.arrivalMicros > this.clock) this.clock = event.arrivalMicros;',
    without: 'this.clock = Date.now() * 1000;',
    heldBy: ['test/architecture.test.ts'],
  },
  {
    invariant: 6,
    keeps: 'completions of one event come in an order that the layout of the automata does not decide',
    file: 'src/matcher/evaluator.ts',
    line: 'found.sort((a, b) => (a.sequenceId < b.sequenceId ? -1 : 1))',
    without: 'found',
    heldBy: ['test/property/determinism.test.ts'],
  },
  {
    invariant: 7,
    keeps: 'the window is inclusive',
    file: 'src/matcher/evaluator.ts',
    line: 'if (log.timeAt(end) - log.timeAt(start) > sequence.windowMicros) return;',
    without: 'if (log.timeAt(end) - log.timeAt(start) >= sequence.windowMicros) return;',
    heldBy: ['test/property/matcherAgainstOracle.test.ts'],
  },
  {
    invariant: 8,
    keeps: 'an event within the allowed lateness takes its place',
    file: 'src/matcher/matcher.ts',
    line: 'if (newestMicros - event.timeMicros > allowedLatenessMicros) {',
    without: 'if (newestMicros > event.timeMicros) {',
    heldBy: ['test/property/lateness.test.ts'],
  },
  {
    invariant: 9,
    keeps: 'the log of a lead does not grow without limit',
    file: 'src/matcher/matcher.ts',
    line: 'if (log.heldCount > lead.reduceAboveLength) this.reduce(lead, program);',
    without: '',
    heldBy: ['test/property/boundedness.test.ts'],
  },
  {
    invariant: 11,
    keeps: 'the groups that the engine is handed are bounded',
    file: 'src/stream/pull.ts',
    line: 'const group = this.#buffer.length <= messagesMax ? this.#buffer : this.#buffer.slice(0, messagesMax);',
    without: 'const group = this.#buffer;',
    heldBy: ['test/integration/stream/feed.test.ts'],
  },
  {
    invariant: 12,
    keeps: 'a receiver that hangs gets its share of the attempts and no more',
    file: 'src/outbox/slots.ts',
    line: "return lane.underWay >= (lane.standing === 'proven' ? this.#limits.attemptsPerLaneMax : 1);",
    without: 'return false;',
    heldBy: [OUTBOX],
  },
  {
    invariant: 13,
    keeps: 'a message that cannot be used is stored',
    file: 'src/engine/engine.ts',
    line: '...rejections.map(([message, rejection]) => this.options.storeRejected(message, rejection)),',
    without: '',
    heldBy: [ENGINE_CRASH],
  },
  {
    invariant: 14,
    keeps: 'no secret is logged',
    file: 'src/telemetry/log.ts',
    line: 'paths: secretPaths(),',
    without: 'paths: [],',
    heldBy: ['test/unit/telemetry/log.test.ts'],
  },
  {
    invariant: 15,
    keeps: 'an OU reads no fire of another',
    file: 'src/store/fires.ts',
    line: 'return row?.fire.ou === ou ? row.fire : undefined;',
    without: 'return row?.fire;',
    heldBy: [STORED_FIRES],
  },
  {
    invariant: 16,
    keeps: 'a directory that a living program works on is refused',
    file: 'src/store/dataDirectory.ts',
    line: 'if (owner !== undefined && owner !== identity && isAlive(owner)) {',
    without: 'if (owner === identity) {',
    heldBy: ['test/unit/store/dataDirectory.test.ts'],
  },
  {
    invariant: 12,
    keeps: 'untried destinations of one server share a small part of the attempts',
    file: 'src/outbox/slots.ts',
    line: "if (lane.standing === 'proven' || lane.origin === null || this.#hasRoom(lane.origin)) return false;",
    without: "if (lane.origin === null || lane.standing !== 'gone') return false;",
    heldBy: [DESTINATIONS],
  },
  {
    invariant: 17,
    keeps: 'a first attempt waits for that of an earlier fire of its sequence and lead',
    file: 'src/outbox/lane.ts',
    line: 'const isFree = !this.#firstAttempts.has(key) && !waiting.has(key);',
    without: 'const isFree = true;',
    heldBy: [DESTINATIONS],
  },
  {
    invariant: 18,
    keeps: 'nothing is sent to a destination that is paused',
    file: 'src/outbox/outbox.ts',
    line: 'if (pause) return pause.reason;',
    without: '',
    heldBy: [DESTINATIONS],
  },
  {
    invariant: 19,
    keeps: 'an address that a name resolves to is looked at before it is connected to',
    file: 'src/outbox/addressGuard.ts',
    line: 'if (refusal === null) continue;',
    without: 'if (refusal !== undefined) continue;',
    heldBy: ['test/integration/outbox/webhookAddresses.test.ts'],
  },
  {
    invariant: 20,
    keeps: 'a schema that the document refers to stands in it',
    file: 'src/api/openapi.ts',
    line: 'components.set(name, body);',
    without: '',
    heldBy: ['test/unit/api/openapi.test.ts'],
  },
];
