import { describe, expect, it } from 'vitest';
import { Catalog } from '../../../src/engine/catalog.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import type { SequenceChange } from '../../../src/model/sequence.ts';
import { recordingLogger } from '../../support/nats.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';
import { aSequence, SECRET } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

/** A store whose disk takes nothing until it is told to. */
class SlowStore extends SimulatedStore {
  #release = () => {};
  readonly #released = new Promise<void>((resolve) => {
    this.#release = resolve;
  });

  override async recordChange(...change: Parameters<SimulatedStore['recordChange']>): Promise<void> {
    await this.#released;
    await super.recordChange(...change);
  }

  release(): void {
    this.#release();
  }
}

function openCatalog(store: SimulatedStore, position: number, logger = recordingLogger()): Catalog {
  const catalog = new Catalog({
    matcher: new Matcher(WIDE_LIMITS),
    store,
    sequencesPerOuMax: 10,
    currentPosition: () => position,
    currentMark: () => null,
    logger,
  });
  catalog.load(0);
  catalog.replayThrough(position);
  return catalog;
}

it('logs each change with the position that it takes effect at, before it is written, and nothing secret', async () => {
  const store = new SimulatedStore();
  const writesWhenLogged: number[] = [];
  const logger = recordingLogger();
  const counting = {
    ...logger,
    info: (fields: object, message: string) => {
      writesWhenLogged.push(store.writeCount);
      logger.info(fields, message);
    },
  };
  const catalog = openCatalog(store, 7, counting);
  await catalog.create(aSequence({ webhookUrl: 'https://example.com/secret-path' }));
  await catalog.update('acme', 'seq-1', (current) => ({ ...current, name: 'renamed', version: 2 }));
  await catalog.update('acme', 'seq-1', (current) => current);
  await catalog.remove('acme', 'seq-1');
  await catalog.remove('acme', 'seq-1');

  const line = { ou: 'acme', sequenceId: 'seq-1', effectivePosition: 7 };
  expect(logger.entries).toEqual(
    [
      { ...line, kind: 'created', version: 1 },
      { ...line, kind: 'updated', version: 2 },
      { ...line, kind: 'deleted', version: 2 },
    ].map((fields) => ({ level: 'info', fields, message: 'a sequence is changed' })),
  );
  expect(writesWhenLogged).toEqual([0, 1, 2]);
  expect(JSON.stringify(logger.entries)).not.toContain(SECRET);
  expect(JSON.stringify(logger.entries)).not.toContain('secret-path');
});

it('logs nothing for a change that a replay makes again', async () => {
  const store = new SimulatedStore();
  await openCatalog(store, 7).create(aSequence());
  const logger = recordingLogger();
  const catalog = openCatalog(store.crashedAfter(1), 7, logger);
  expect(catalog.list('acme')).toHaveLength(1);
  expect(logger.entries).toEqual([]);
});

const named = (name: string) => aSequence({ id: 'seq-1', name });

describe('a change of a sequence', () => {
  it('is in force at once, is acknowledged when it is on disk, and keeps its place before later ones', async () => {
    const store = new SlowStore();
    const catalog = openCatalog(store, 5);
    const acknowledged: string[] = [];
    const creating = catalog.create(named('first')).then(() => acknowledged.push('first'));
    const renaming = catalog
      .update('acme', 'seq-1', () => named('second'))
      .then(() => acknowledged.push('second'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(catalog.effectiveSequence('acme', 'seq-1')?.name).toBe('second');
    expect(acknowledged).toEqual([]);
    store.release();
    await Promise.all([creating, renaming]);
    expect(acknowledged).toEqual(['first', 'second']);
    const nameAfter = ({ after }: SequenceChange) => after?.name;
    expect(store.changesSinceCheckpoint().map(nameAfter)).toEqual(['first', 'second']);
  });

  it('is refused, and changes nothing, while the store cannot be written', async () => {
    const store = new SimulatedStore();
    const catalog = openCatalog(store, 5);
    await catalog.create(named('first'));
    store.trouble = 'the disk is full';
    expect(await catalog.update('acme', 'seq-1', () => named('second'))).toEqual({
      ok: false,
      reason: 'unavailable',
    });
    expect(await catalog.remove('acme', 'seq-1')).toEqual({ ok: false, reason: 'unavailable' });
    expect(catalog.get('acme', 'seq-1')?.name).toBe('first');
    store.trouble = null;
    expect((await catalog.remove('acme', 'seq-1')).ok).toBe(true);
  });
});
