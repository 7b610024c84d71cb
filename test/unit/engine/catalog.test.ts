import { expect, it } from 'vitest';
import { Catalog } from '../../../src/engine/catalog.ts';
import { Matcher } from '../../../src/matcher/matcher.ts';
import { recordingLogger } from '../../support/nats.ts';
import { WIDE_LIMITS } from '../../support/oracleSubjects.ts';
import { aSequence, SECRET } from '../../support/outbox.ts';
import { SimulatedStore } from '../../support/simulatedStore.ts';

function openCatalog(store: SimulatedStore, position: number, logger = recordingLogger()): Catalog {
  const catalog = new Catalog({
    matcher: new Matcher(WIDE_LIMITS),
    store,
    sequencesPerOuMax: 10,
    currentPosition: () => position,
    currentMark: () => null,
    logger,
  });
  catalog.load();
  catalog.expectReplay(0);
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
