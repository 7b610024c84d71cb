import { describe, expect, it, type TestContext } from 'vitest';
import { expectAllAppliedOnce } from '../../support/appliedOnce.ts';
import { waitFor } from '../../support/nats.ts';
import { startProxy } from '../../support/proxy.ts';
import { Stage } from '../../support/stage.ts';

// Seconds go by until silence is noticed, which they wait for side by side.
describe.concurrent('a connection that is half open', { timeout: 90_000 }, () => {
  async function startBehindProxy({ onTestFinished }: TestContext) {
    const stage = await Stage.open();
    onTestFinished(() => stage.close());
    const line = await startProxy(stage.nats.port);
    onTestFinished(() => line.close());
    stage.connectVia(`nats://127.0.0.1:${line.port}`);
    await stage.start();
    await stage.publishBoth('before');
    await stage.waitForFire('before');
    return { stage, line };
  }

  it('is given up without a word from anybody, and the next one serves while the old one stays silent', async (context) => {
    const { stage, line } = await startBehindProxy(context);
    line.treatAll('swallow');
    line.treatNew('forward');
    await stage.publishBoth('during');
    await stage.waitForFire('during');
    expect(stage.program.log()).toContain('the NATS server has fallen silent');
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
  });

  it('is named on /readyz while attempts to connect anew hang too, and replaced when they do not', async (context) => {
    const { stage, line } = await startBehindProxy(context);
    line.treatAll('swallow');
    await stage.publishBoth('during');
    await stage.waitForTrouble(/^disconnected from NATS/);
    expect(await stage.ingest('refused', 'first')).toMatchObject({ status: 503 });
    line.treatAll('forward');
    await stage.waitForReadiness();
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    expect(await stage.storedMessages()).toBe(6);
  });

  it('is given up also where bytes wait in it that nobody takes, and attempts that were given up leave nothing open', async (context) => {
    const { stage, line } = await startBehindProxy(context);
    line.treatAll('hold');
    const event = (index: number) => ({ id: `${index}`, lead_id: 'big', event_type: 'big' });
    const metadata = { text: 'x'.repeat(90_000) };
    const posts = Array.from({ length: 200 }, (_, index) =>
      stage.program.call('POST', '/ingest', { ...event(index), metadata }).catch(() => undefined),
    );
    await stage.publishBoth('during');
    await stage.waitForTrouble(/^disconnected from NATS/);
    await Promise.all(posts);
    const attempts = line.linesEver;
    await waitFor('attempts that get no greeting', () => line.linesEver >= attempts + 2);
    line.treatAll('forward');
    await stage.waitForReadiness();
    await stage.publishBoth('after');
    await expectAllAppliedOnce(stage, ['before', 'during', 'after']);
    // One to receive events over, and one for all else.
    await waitFor('two lines only', () => line.openLines === 2);
  });
});
