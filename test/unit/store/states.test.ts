import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../../src/model/checkpoint.ts';
import { partitionOf } from '../../../src/model/partition.ts';
import type { Sequence } from '../../../src/model/sequence.ts';
import { type Environment, openEnvironment, packRow } from '../../../src/store/environment.ts';
import { StateStore } from '../../../src/store/states.ts';
import { aMilestone, aSequence } from '../../support/outbox.ts';

let directory: string;
let environment: Environment;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'states-'));
  environment = openEnvironment(directory);
});

afterEach(async () => {
  await environment.close();
  rmSync(directory, { recursive: true });
});

async function reopen(): Promise<StateStore> {
  await environment.close();
  environment = openEnvironment(directory);
  return new StateStore(environment);
}

function sequence(id: string, name = id): Sequence {
  return aSequence({ ou: 'ou', id, name });
}

function checkpointAt(position: number, changes = 0): Checkpoint {
  const stream = {
    name: 'EVENTS',
    created: 'then',
    sequence: position,
    messageArrivalMicros: 1,
    messageDigest: 'x',
  };
  return { position, clockMicros: 5, silentBefore: [['__proto__', 3]], changes, stream };
}

describe('the state store', () => {
  it('gives back lead states after a reopening, whatever characters the lead ids hold', async () => {
    const store = new StateStore(environment);
    const leadIds = [
      'plain',
      '',
      'nul\0in it',
      `${'\0'.repeat(200)}x`,
      '\0\0',
      'é😀'.repeat(40),
      'x'.repeat(256),
    ];
    const rows = leadIds.map((leadId, index) => ({ ou: 'ou', leadId, state: Uint8Array.of(1, index) }));
    await store.putLeads(rows, checkpointAt(7));
    const reopened = await reopen();
    expect(reopened.highWater()?.stream).toEqual(checkpointAt(7).stream);
    const found = Array.from(reopened.leadsBehind(null), (row) => ({
      ...row,
      state: Buffer.from(row.state),
    }));
    expect(found.length).toBe(rows.length);
    for (const row of rows) {
      expect(found).toContainEqual({ ...row, state: Buffer.from(row.state) });
    }
    // One by one, and each from behind the one before.
    const oneByOne: typeof found = [];
    for (let place: (typeof found)[0] | null = null; ; ) {
      const [row] = reopened.leadsBehind(place);
      if (row === undefined) break;
      place = { ...row, state: Buffer.from(row.state) };
      oneByOne.push(place);
    }
    expect(oneByOne).toEqual(found);
    for (const { leadId, state } of rows) {
      expect(Buffer.from(reopened.leadState('ou', leadId)!)).toEqual(Buffer.from(state));
    }
    expect(reopened.leadState('ou', 'nobody')).toBeUndefined();
    expect(reopened.leadState('other', 'plain')).toBeUndefined();
  });

  it('keeps equal lead ids of two OUs apart, and removes only what it is asked to', async () => {
    const store = new StateStore(environment);
    await store.putLeads(
      [
        { ou: 'one', leadId: 'lead', state: Uint8Array.of(1) },
        { ou: 'two', leadId: 'lead', state: Uint8Array.of(2) },
      ],
      checkpointAt(7),
    );
    await store.removeLeads([{ ou: 'one', leadId: 'lead' }]);
    expect([...store.leadsBehind(null)].map(({ ou }) => ou)).toEqual(['two']);
  });

  it('logs changes in the order in which they were made, until a checkpoint was made after them', async () => {
    const first = new StateStore(environment);
    await first.recordChange({ position: 7, before: null, after: sequence('seq-1') }, null);
    await first.recordChange(
      { position: 7, before: sequence('seq-1'), after: sequence('seq-1', 'renamed') },
      null,
    );
    const second = await reopen();
    expect(second.changesSinceCheckpoint().map(({ after }) => after?.name)).toEqual(['seq-1', 'renamed']);
    await second.recordChange({ position: 7, before: null, after: sequence('seq-2') }, null);
    await second.recordChange({ position: 9, before: sequence('seq-1', 'renamed'), after: null }, null);
    expect(second.changesSinceCheckpoint().map(({ position }) => position)).toEqual([7, 7, 7, 9]);
    await second.putCheckpoint(checkpointAt(7, 3), checkpointAt(9));
    const third = await reopen();
    expect(third.changesSinceCheckpoint().map(({ position }) => position)).toEqual([9]);
    expect(third.checkpoint()).toEqual(checkpointAt(7, 3));
    expect(third.highWater()?.stream).toEqual(checkpointAt(9).stream);
    expect(third.changeCount()).toBe(4);
    await third.putCheckpoint(checkpointAt(9, 4), checkpointAt(9));
    expect((await reopen()).changeCount()).toBe(4);
  });

  it('reads rows of sequences that were written before they could exclude types or have a largest gap', async () => {
    const { exclude: _exclude, maxGapSeconds: _gap, ...old } = sequence('seq-old');
    environment.table('sequences').putSync(['ou', 'seq-old'], packRow(1, old));
    environment
      .table('deleted_sequences')
      .putSync(['ou', 'seq-gone'], packRow(1, { ...old, id: 'seq-gone' }));
    const change = { position: 5, before: null, after: old };
    environment.table('changes').putSync(['change', 0], packRow(1, change));
    const store = await reopen();
    const read = sequence('seq-old');
    expect(store.allTriggers()).toEqual([read]);
    expect(store.triggerOf('ou', 'seq-gone')).toEqual({ ...read, id: 'seq-gone' });
    expect(store.changesSinceCheckpoint()).toEqual([{ position: 5, before: null, after: read, ordinal: 0 }]);
  });

  it('keeps steps that ask for more as they are', async () => {
    const where = { 'metadata.a.b': { in: ['x', 1, true] }, score: { gte: 0.5 } };
    const rich = { ...sequence('seq-rich'), eventTypes: ['a', { types: ['b', 'c'], where, count: 2 }] };
    await new StateStore(environment).recordChange({ position: 1, before: null, after: rich }, null);
    expect((await reopen()).allTriggers()).toEqual([rich]);
  });

  it('still finds a deleted sequence for the deliveries that are under way, but lists it no more', async () => {
    const store = new StateStore(environment);
    await store.recordChange({ position: 1, before: null, after: sequence('seq-1') }, null);
    await store.recordChange({ position: 2, before: sequence('seq-1'), after: null }, null);
    expect(store.allTriggers()).toEqual([]);
    expect(store.triggerOf('ou', 'seq-1')?.name).toBe('seq-1');
    expect(store.triggerOf('other', 'seq-1')).toBeUndefined();
  });

  it('keeps milestone triggers among the sequences, in rows that a program from before them refuses', async () => {
    const store = new StateStore(environment);
    const milestone = aMilestone({ ou: 'ou' });
    await store.recordChange({ position: 1, before: null, after: sequence('seq-1') }, null);
    await store.recordChange({ position: 2, before: null, after: milestone }, null);
    const again = new StateStore(environment);
    expect(again.allTriggers()).toEqual([sequence('seq-1'), milestone]);
    expect(again.changesSinceCheckpoint().map(({ after }) => after)).toEqual([sequence('seq-1'), milestone]);
    const versions = (table: string) => [...environment.table(table).getRange()].map(({ value }) => value[0]);
    expect([versions('sequences'), versions('changes')]).toEqual([
      [1, 2],
      [1, 2],
    ]);
    await again.recordChange({ position: 3, before: milestone, after: null }, null);
    expect(again.allTriggers()).toEqual([sequence('seq-1')]);
    expect(again.triggerOf('ou', 'trg-1')).toEqual(milestone);
    expect(versions('deleted_sequences')).toEqual([2]);
  });

  it('never lowers the mark of how far it reaches, whoever writes after whom', async () => {
    const store = new StateStore(environment);
    await store.recordChange({ position: 9, before: null, after: sequence('seq-1') }, checkpointAt(9).stream);
    await store.putLeads([], checkpointAt(7));
    await store.putCheckpoint(checkpointAt(7), checkpointAt(8));
    expect(store.highWater()?.stream).toEqual(checkpointAt(9).stream);
    await store.putLeads([], checkpointAt(10));
    expect(store.highWater()?.stream).toEqual(checkpointAt(10).stream);
  });

  it.each([
    ['another name', { name: 'OTHER' }],
    ['another birth', { created: 'now' }],
    ['other numbers for the same positions', { sequence: 2 }],
  ])('replaces that mark when the stream has %s', async (_what, change) => {
    const store = new StateStore(environment);
    await store.putLeads([], checkpointAt(9));
    const stream = { ...checkpointAt(7).stream, ...change };
    await store.putCheckpoint({ ...checkpointAt(7), stream }, { position: 7, stream });
    expect(store.highWater()?.stream).toEqual(stream);
  });

  it('acknowledges a change only when it is on disk', async () => {
    let flush = () => {};
    const gate = new Promise<void>((resolve) => {
      flush = resolve;
    });
    const store = new StateStore({ ...environment, flushed: () => gate });
    let acknowledged = false;
    const recorded = store
      .recordChange({ position: 1, before: null, after: sequence('seq-1') }, null)
      .then(() => {
        acknowledged = true;
      });
    await environment.write(() => undefined);
    await environment.flushed();
    expect(store.allTriggers().length).toBe(1);
    expect(acknowledged).toBe(false);
    flush();
    await recorded;
  });

  it('refuses a layout that a newer program wrote, in words', async () => {
    await environment.table('meta').put(['layout'], packRow(1, 99));
    expect(() => new StateStore(environment)).toThrow('layout 99; this program reads up to 1');
  });
});

describe('the partition of a lead', () => {
  it('is FNV-1a 32 of the id modulo 256, as the server computes it for subjects', () => {
    // The published test vectors of FNV-1a 32: "" → 811c9dc5, "a" → e40c292c, "foobar" → bf9cf968.
    expect([partitionOf(''), partitionOf('a'), partitionOf('foobar')]).toEqual([0xc5, 0x2c, 0x68]);
  });
});
