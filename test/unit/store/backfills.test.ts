import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newBackfill } from '../../../src/engine/backfills.ts';
import { BackfillStore } from '../../../src/store/backfills.ts';
import { type Environment, openEnvironment } from '../../../src/store/environment.ts';
import { StateStore } from '../../../src/store/states.ts';
import { aSequence } from '../../support/outbox.ts';

let directory: string;
let environment: Environment;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'backfills-'));
  environment = openEnvironment(directory);
});

afterEach(async () => {
  await environment.close();
  rmSync(directory, { recursive: true });
});

async function reopen(): Promise<BackfillStore> {
  await environment.close();
  environment = openEnvironment(directory);
  return new BackfillStore(environment);
}

const sequence = aSequence({ ou: 'ou', id: 'seq-1' });

function aBackfill(id = 7) {
  return newBackfill(sequence, { id, throughPosition: 5, streamCreated: 'then', startedAtMs: 1 });
}

/** As the catalog asks for it. */
function ask(id: number): Promise<void> {
  const change = { position: 5, before: null, after: sequence, backfill: aBackfill(id) };
  return new StateStore(environment).recordChange(change, null);
}

function row(leadId: string, text = leadId) {
  return { leadId, state: Buffer.from(`state of ${text}`) };
}

function textOf(state: Uint8Array | undefined): string | undefined {
  return state && Buffer.from(state).toString();
}

/** Every lead of a backfill, asked for so many at a time. */
function allLeads(store: BackfillStore, id: number, countMax: number): string[] {
  const found: string[] = [];
  for (;;) {
    const next = store.backfillLeads(id, found.at(-1) ?? null, countMax);
    if (next.length === 0) return found;
    found.push(...next);
  }
}

describe('the store of backfills', () => {
  it('is a part of the change that speaks of it, which older programs are not to misread', async () => {
    await ask(7);
    const [change] = new StateStore(environment).changesSinceCheckpoint();
    expect(change).toMatchObject({ position: 5, backfill: { id: 7, state: 'reading' } });
    const versions = (table: string) => [...environment.table(table).getRange()].map(({ value }) => value[0]);
    expect([versions('changes'), versions('sequences')]).toEqual([[2], [1]]);
  });

  it('has one with the change that asks for it, and no more once its sequence is deleted', async () => {
    const store = new BackfillStore(environment);
    await ask(7);
    expect(store.allBackfills()).toEqual([aBackfill(7)]);
    expect((await reopen()).allBackfills()).toEqual([aBackfill(7)]);
    const states = new StateStore(environment);
    expect(states.changesSinceCheckpoint()[0]?.backfill).toEqual(aBackfill(7));
    await states.recordChange({ position: 6, before: sequence, after: null }, null);
    expect((await reopen()).allBackfills()).toEqual([]);
  });

  it('replaces the row of a backfill, but neither that of a later one nor one that is gone', async () => {
    const store = new BackfillStore(environment);
    await store.putBackfill({ ...aBackfill(7), state: 'done' });
    expect(store.allBackfills()).toEqual([]);
    await ask(7);
    await store.putBackfill({ ...aBackfill(7), state: 'done' });
    expect(store.allBackfills().map(({ state }) => state)).toEqual(['done']);
    await ask(8);
    await store.putBackfill({ ...aBackfill(7), state: 'failed' });
    expect(store.allBackfills()).toEqual([aBackfill(8)]);
  });

  it('keeps times that are before all others, as of a stream without messages', async () => {
    await ask(7);
    const merge = {
      position: 5,
      silentBeforeMicros: Number.NEGATIVE_INFINITY,
      goneBeforeMicros: Number.NEGATIVE_INFINITY,
    };
    await new BackfillStore(environment).putBackfill({ ...aBackfill(7), state: 'merging', merge });
    expect((await reopen()).allBackfills()[0]?.merge).toEqual(merge);
  });

  it.each([1, 3, 100])(
    'gives every lead of one backfill, %i at a time, whatever characters it has',
    async (n) => {
      const leadIds = [
        'plain',
        'a',
        'a\0',
        'a\0b',
        'ä',
        '\u{1f600}',
        'x'.repeat(256),
        '\0',
        'lead-1',
        'lead-10',
      ];
      const store = new BackfillStore(environment);
      await store.putBackfillLeads(
        300,
        leadIds.map((id) => row(id)),
      );
      await store.putBackfillLeads(299, [row('before')]);
      await store.putBackfillLeads(301, [row('behind')]);
      expect(allLeads(store, 300, n).sort()).toEqual([...leadIds].sort());
      expect(leadIds.map((id) => textOf(store.backfillLead(300, id)))).toEqual(
        leadIds.map((id) => `state of ${id}`),
      );
      expect(store.backfillLead(300, 'before')).toBeUndefined();
      expect(allLeads(store, 298, n)).toEqual([]);
    },
  );

  it.each([
    { kept: 2, left: [[], ['a', 'b'], []] },
    { kept: null, left: [[], [], []] },
    { kept: 9, left: [[], [], []] },
    { kept: 1, left: [['a', 'b'], [], []] },
  ])('removes the leads of all backfills but $kept, some at a time', async ({ kept, left }) => {
    const store = new BackfillStore(environment);
    for (const id of [1, 2, 3]) await store.putBackfillLeads(id, [row('a'), row('b')]);
    const counts: number[] = [];
    do counts.push(await store.removeBackfillLeads(kept, 3));
    while (counts.at(-1)! > 0);
    expect([1, 2, 3].map((id) => allLeads(store, id, 10).sort())).toEqual(left);
    expect(Math.max(...counts)).toBe(3);
  });
});
