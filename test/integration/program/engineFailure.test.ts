import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startNats, waitFor } from '../../support/nats.ts';
import { positionOf, startProgram, temporaryDataDir } from '../../support/program.ts';

const MATCHER = new URL('../../../dist/src/matcher/matcher.js', import.meta.url);

/** Loaded before the program: the matcher of this process breaks at one lead. */
const BROKEN_MATCHER = `
import { Matcher } from ${JSON.stringify(MATCHER.href)};
const apply = Matcher.prototype.apply;
Matcher.prototype.apply = function (event) {
  if (event.leadId === 'breaks') throw new Error('a defect');
  return apply.call(this, event);
};
`;

it('an engine that fails ends the program with 1, and a start goes on from the last checkpoint', async () => {
  const nats = await startNats();
  const dataDir = temporaryDataDir();
  try {
    const module = join(dataDir.path, 'broken.mjs');
    writeFileSync(module, BROKEN_MATCHER);
    const env = { NATS_URL: nats.url };
    const broken = await startProgram({
      dataDir: dataDir.path,
      env: { ...env, NODE_OPTIONS: `--import ${module}` },
    });
    const exited = once(broken.process, 'exit');
    const stream = (await nats.connect()).jetstream();
    for (const lead of ['works', 'breaks', 'follows']) {
      await stream.publish('events.default', JSON.stringify({ lead_id: lead, event_type: 'a' }));
    }
    expect((await exited)[0]).toBe(1);
    expect(broken.log()).toMatch(/"level":"fatal".*a defect.*the program cannot go on/);
    expect(broken.log()).toContain('"msg":"stopped"');
    const next = await startProgram({ dataDir: dataDir.path, env });
    await waitFor('all events', async () => (await positionOf(next)) === 3);
    expect(await next.stop()).toBe(0);
  } finally {
    dataDir.remove();
    await nats.stop();
  }
});
