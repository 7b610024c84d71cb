import { describe, expect, it } from 'vitest';
import type { CommitFires, StateStorePort } from '../../src/engine/ports.ts';
import type { EncodedLead } from '../../src/matcher/matcher.ts';
import type { Checkpoint, StreamMark } from '../../src/model/checkpoint.ts';
import type { Attempt, Delivery } from '../../src/model/delivery.ts';
import type { OuId } from '../../src/model/event.ts';
import type { Fire, FireId } from '../../src/model/fire.ts';
import type { Trigger } from '../../src/model/trigger.ts';
import type { DeliveryQueue } from '../../src/outbox/ports.ts';
import { StateStore } from '../../src/store/states.ts';
import {
  aDataDir,
  aDelivery,
  aFire,
  aMilestone,
  aMilestoneFire,
  aSequence,
  openStores,
} from '../support/outbox.ts';
import { SimulatedDatabase } from '../support/simulatedDatabase.ts';
import { Tables } from '../support/simulatedTables.ts';
import { Chance, SimulatedProcess, SimulatedTime } from '../support/simulatedTime.ts';

const SCRIPTS = 6;
const STEPS = 50;
const IDS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const OUS = ['acme', 'zenith'] as const;

/** What engine and outbox see of a store. */
type Store = StateStorePort &
  DeliveryQueue & {
    readonly commitFires: CommitFires;
    fire(ou: OuId, id: FireId): Fire | undefined;
    delivery(ou: OuId, id: string): { delivery: Delivery; attempts: readonly Attempt[] } | undefined;
    triggerOf(ou: OuId, id: string): Trigger | undefined;
  };

/** A write on its way: visible after the one, on disk after the other. */
interface Work {
  readonly committed: Promise<unknown>;
  readonly flushed: Promise<unknown>;
}

/** A store that can be closed and opened again, and whose disk waits to be told. */
interface Subject {
  readonly store: Store;
  untilCommitted(work: Work): Promise<unknown>;
  untilFlushed(work: Work): Promise<unknown>;
  reopen(): Promise<void>;
  close(): Promise<void>;
}

function realSubject(): Subject {
  const dir = aDataDir();
  let letFlush = (): void => {};
  let mayFlush = Promise.resolve();
  const hold = (): void => {
    mayFlush = new Promise((resolve) => {
      letFlush = resolve;
    });
  };
  const open = () => {
    const { environment, deliveries, fires } = openStores(dir.path, (unheld) => ({
      ...unheld,
      flushed: () => mayFlush.then(() => unheld.flushed()),
    }));
    const parts = [new StateStore(environment), deliveries, fires] as const;
    const store: Store = Object.assign(methodsOf(parts[0]), methodsOf(parts[1]), methodsOf(parts[2]));
    return { environment, store };
  };
  let opened = open();
  hold();
  return {
    get store() {
      return opened.store;
    },
    untilCommitted: (work) => work.committed,
    untilFlushed: async (work) => {
      letFlush();
      const result = await work.flushed;
      hold();
      return result;
    },
    reopen: async () => {
      await opened.environment.close();
      opened = open();
    },
    close: async () => {
      await opened.environment.close();
      dir.remove();
    },
  };
}

/** The methods of an object, tied to it. */
function methodsOf<T extends object>(object: T): T {
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(object)) as (keyof T)[];
  const methods = names.flatMap((name) => {
    const method = object[name];
    return typeof method === 'function' ? [[name, method.bind(object)]] : [];
  });
  return Object.fromEntries(methods) as T;
}

function simulatedSubject(chance: Chance): Subject {
  const disk = new Tables();
  const time = new SimulatedTime();
  const open = () =>
    new SimulatedDatabase(disk, {
      process: new SimulatedProcess(time),
      chance,
      fails: () => false,
      onDurable: () => {},
      commitMsMax: 0,
      flushMsMax: 1,
    });
  let store = open();
  return {
    get store() {
      return store;
    },
    // The commit is all that is scheduled; it schedules the flush.
    untilCommitted: async () => void (await time.step()),
    untilFlushed: async (work) => {
      while (await time.step());
      return work.flushed;
    },
    reopen: async () => {
      store.crash((count) => count);
      store = open();
    },
    close: async () => {},
  };
}

type Operation = (store: Store) => Work;

/** A write, drawn so that ids meet again and what a write needs is mostly there. */
function drawOperation(chance: Chance, step: number): Operation {
  const once = (write: (store: Store) => Promise<unknown>): Operation => {
    return (store) => {
      const work = write(store);
      return { committed: work, flushed: work };
    };
  };
  const ou = chance.pick(OUS);
  const id = `${chance.pick(IDS)}`;
  // A write that was made again may come with a mark from before.
  const mark: StreamMark = {
    name: 'EVENTS',
    created: 'then',
    sequence: chance.integer(Math.max(0, step - 3), step),
    messageArrivalMicros: step,
    messageDigest: `digest ${step}`,
  };
  const reach = { position: mark.sequence, stream: mark };
  const drawDelivery = (number: number): Delivery =>
    aDelivery({
      id: `del-${id}-${number}`,
      ou,
      fireId: `fire-${id}`,
      ...(chance.happens(0.4)
        ? { channel: 'email', destination: 'a@example.com' }
        : { destination: `https://example.com/${chance.integer(1, 2)}?${number}` }),
      ...(chance.happens(0.2) ? { state: 'held', dueAtMs: null } : { dueAtMs: chance.integer(1, 20) }),
    });
  const leads = (): EncodedLead[] =>
    IDS.filter(() => chance.happens(0.3)).map((lead) => ({
      ou,
      leadId: `lead ${lead}\0ü`,
      state: Buffer.from([step]),
    }));
  const ofMilestone = chance.happens(0.3);
  const change = { ou, id: `seq-${id}`, version: step };
  const trigger = ofMilestone ? aMilestone(change) : aSequence(change);
  const changeCount = chance.integer(0, 12);
  switch (chance.integer(0, 8)) {
    case 0:
    case 1: {
      const deliveries = [1, 2].map(drawDelivery);
      const aFireOf = ofMilestone ? aMilestoneFire : aFire;
      const fire = aFireOf({ id: `fire-${id}`, ou, streamSequence: step });
      return (store) => store.commitFires([{ fire, deliveries }], reach);
    }
    case 2:
      return once((store) => store.recordChange({ position: step, before: null, after: trigger }, mark));
    case 3:
      return once((store) => store.recordChange({ position: step, before: trigger, after: null }, mark));
    case 4: {
      const rows = leads();
      return once((store) => store.putLeads(rows, reach));
    }
    case 5: {
      const keys = leads();
      return once((store) => store.removeLeads(keys));
    }
    case 6: {
      const checkpoint = { position: step, clockMicros: step, silentBefore: [], stream: mark };
      return once((store) =>
        store.putCheckpoint({ ...checkpoint, changes: Math.min(changeCount, store.changeCount()) }, reach),
      );
    }
    case 7: {
      const [lane, outcome] = [chance.integer(0, 2), chance.integer(0, 2)];
      return once((store) => attemptAnything(store, lane, outcome, step));
    }
    default: {
      const [lane, kind] = [chance.integer(0, 2), chance.integer(0, 2)];
      return once((store) => changeLane(store, lane, kind, step));
    }
  }
}

const lanesOf = (store: Store) => store.lanes(null, 100);
const heldLanesOf = (store: Store) => store.heldLanes(null, 100);

/** Holds, releases or gives up what is in a lane. */
async function changeLane(store: Store, lane: number, kind: number, step: number): Promise<void> {
  const name = (kind === 1 ? heldLanesOf(store) : lanesOf(store).map((due) => due.lane))[lane];
  if (name === undefined) return;
  if (kind === 0) await store.hold(name, 'no server', step);
  else if (kind === 1) await store.release(name, step);
  else await store.giveUp(name, step - 2, new Set(['del-1-1']), 'too old', step);
}

/** Records an attempt at the first delivery of a lane: delivered, dead, or to be made again. */
async function attemptAnything(store: Store, lane: number, outcome: number, step: number): Promise<void> {
  const name = lanesOf(store)[lane]?.lane;
  const picked = name === undefined ? undefined : store.due(name, step, new Set(), 1).rows[0];
  if (picked?.kind !== 'delivery') return;
  const state = (['delivered', 'dead', 'retrying'] as const)[outcome]!;
  const number = picked.delivery.attemptsMade + 1;
  const dueAtMs = state === 'retrying' ? step : null;
  const delivery: Delivery = {
    ...picked.delivery,
    state,
    attemptsMade: number,
    dueAtMs,
    updatedAtMs: step,
  };
  const attempt: Attempt = {
    number,
    startedAtMs: step,
    durationMs: 1,
    outcome: state === 'delivered' ? 'delivered' : 'failed',
    status: 500,
    error: null,
    response: null,
  };
  await store.recordAttempts([{ delivery, attempt }]);
}

/** Everything that can be read, in an order that does not depend on the store where none is promised. */
function everythingIn(store: Store): object {
  const deliveryIds = IDS.flatMap((id) => [`del-${id}-1`, `del-${id}-2`]);
  const everyOther = new Set(deliveryIds.filter((_, index) => index % 2 === 0));
  const checkpoint: Checkpoint | null = store.checkpoint();
  return {
    checkpoint,
    highWater: store.highWater(),
    sequences: store.allTriggers().sort((a, b) => (a.ou + a.id < b.ou + b.id ? -1 : 1)),
    known: OUS.flatMap((ou) => IDS.map((id) => store.triggerOf(ou, `seq-${id}`) ?? null)),
    changes: store.changesSinceCheckpoint(),
    changeCount: store.changeCount(),
    // Each state is valid until the next is taken.
    leads: Array.from(
      store.leadsBehind(null),
      ({ ou, leadId, state }) => `${ou}/${leadId}: ${state.join()}`,
    ).sort(),
    fires: OUS.flatMap((ou) => IDS.map((id) => store.fire(ou, `fire-${id}`) ?? null)),
    deliveries: OUS.flatMap((ou) => deliveryIds.map((id) => store.delivery(ou, id) ?? null)),
    lanes: lanesOf(store),
    heldLanes: heldLanesOf(store),
    due: lanesOf(store).flatMap(({ lane }) => [
      store.due(lane, 20, new Set(), 3),
      store.due(lane, Number.MAX_SAFE_INTEGER, everyOther, 100),
    ]),
  };
}

describe('the simulated store', () => {
  it('answers every read as the real one does, also before the disk has what is visible and after a restart', async () => {
    for (let seed = 1; seed <= SCRIPTS; seed++) {
      const chance = new Chance(seed);
      const real = realSubject();
      const simulated = simulatedSubject(new Chance(seed));
      try {
        for (let step = 1; step <= STEPS; step++) {
          const operation = drawOperation(chance, step);
          const works = [real, simulated].map((subject) => ({ subject, work: operation(subject.store) }));
          const isFires = works[0]!.work.committed !== works[0]!.work.flushed;
          if (isFires) {
            for (const { subject, work } of works) await subject.untilCommitted(work);
            expect(everythingIn(simulated.store)).toEqual(everythingIn(real.store));
          }
          const [expected, actual] = await Promise.all(
            works.map(({ subject, work }) => subject.untilFlushed(work)),
          );
          expect(actual).toEqual(expected);
          if (chance.happens(0.1)) await Promise.all([real.reopen(), simulated.reopen()]);
          expect(everythingIn(simulated.store)).toEqual(everythingIn(real.store));
        }
      } finally {
        await Promise.all([real.close(), simulated.close()]);
      }
    }
  });
});
