import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import {
  allFires,
  dataSets,
  positionOf,
  type RunningProgram,
  sequencesOf,
  startProgram,
  temporaryDataDir,
} from '../../support/program.ts';

const sets = dataSets();

// The data lies beside the repository and is not part of it.
describe.skipIf(sets === undefined)('real events through JetStream into the running program', () => {
  const dataDir = temporaryDataDir();
  let nats: TestServer;
  let program: RunningProgram;

  beforeAll(async () => {
    nats = await startNats();
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url } });
  });

  afterAll(async () => {
    await program?.stop();
    await nats?.stop();
    dataDir.remove();
  });

  it.each(sets ?? [])('$file: every sequence fires for exactly the leads of the answers', async (set) => {
    const created = [];
    for (const { body, leads } of sequencesOf(set)) {
      const { id, name } = await program.call<{ id: string; name: string }>('POST', '/sequences', body);
      created.push({ id, name, leads });
    }
    const before = await positionOf(program);
    const client = await nats.connect();
    for (const line of set.lines) client.publish('events.default', line);
    await client.flush();
    await waitFor(
      'the end of the file',
      async () => (await positionOf(program)) === before + set.lines.length,
    );
    const found = await Promise.all(
      created.map(async ({ id, name }) => ({
        name,
        leads: new Set((await allFires(program, id)).map((fire) => fire.lead_id)).size,
      })),
    );
    expect(found).toEqual(created.map(({ name, leads }) => ({ name, leads })));
  });
});
